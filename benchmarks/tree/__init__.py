"""What the upstream serves: real wheels that need each other, wide pages, many projects, large files, a very long list."""
