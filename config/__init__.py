"""config: what an operator may say, validated. It knows neither `mirror` nor `proxy`."""
