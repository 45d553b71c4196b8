"""What a wrong configuration is told: what, where, what to do; one sentence each, and never a secret."""

import pytest

from config.errors import ConfigurationError
from config.loading import load
from tests.config.conftest import Write

UPSTREAM = "[[upstreams]]\nname = 'feed'\nurl = 'https://feeds.example.com/simple/'\n"
CONNECTION = (
    "[[connections]]\nname = 'pat'\ncategory = 'PythonFeed'\ntarget = 'https://feeds.example.com/org'\n"
)
PAT = "auth_type = 'PAT'\nsecret_env = 'FEED_PAT'\n"

WRONG_FILES = {
    "unknown key": (
        "[server]\nprot = 1\n",
        "Unknown key 'prot' in [server] of wheelkeep.toml: did you mean 'port'?",
    ),
    "unknown table": ("[servr]\nport = 1\n", "Unknown key 'servr' in wheelkeep.toml: did you mean 'server'?"),
    "unknown and far": ("[server]\nzzz = 1\n", "Unknown key 'zzz' in [server] of wheelkeep.toml: remove it."),
    "key before its table": (
        "port = 1\n",
        "Unknown key 'port' in wheelkeep.toml: did you mean [server] port?",
    ),
    "key of pydantic's": ("_env_file = 'x'\n", "Unknown key '_env_file' in wheelkeep.toml: remove it."),
    "mirrors are not there yet": (
        "[[mirrors]]\nname = 'curated'\n",
        "Unknown key 'mirrors' in wheelkeep.toml: remove it.",
    ),
    "unknown key in a list": (
        UPSTREAM + "file_host = []\n",
        "Unknown key 'file_host' in [[upstreams]] 'feed' of wheelkeep.toml: did you mean 'file_hosts'?",
    ),
    "missing key": (
        "[[upstreams]]\nname = 'feed'\n",
        "[[upstreams]] 'feed' in wheelkeep.toml needs url: add it.",
    ),
    "missing name": (
        "[[upstreams]]\nurl = 'https://feeds.example.com/'\n",
        "[[upstreams]] number 1 in wheelkeep.toml needs name: add it.",
    ),
    "text for a number": (
        "[server]\nport = 'http'\n",
        "[server] port in wheelkeep.toml must be a whole number.",
    ),
    "fraction for a whole number": (
        "[limits]\nupstream_connections = 1.5\n",
        "[limits] upstream_connections in wheelkeep.toml must be a whole number.",
    ),
    "switch for a number": (
        "[server]\nport = true\n",
        "[server] port in wheelkeep.toml must not be true or false.",
    ),
    "number for a text": (
        "[server]\nhost = 3\n",
        '[server] host in wheelkeep.toml must be a text in quotes, as in "text".',
    ),
    "number for a path": ("[cache]\npath = 3\n", "[cache] path in wheelkeep.toml must be a path in quotes."),
    "empty host": ("[server]\nhost = ''\n", "[server] host in wheelkeep.toml must not be empty."),
    "port too high": ("[server]\nport = 65536\n", "[server] port in wheelkeep.toml must be 65535 or less."),
    "no time": (
        "[limits]\nconnect_seconds = 0\n",
        "[limits] connect_seconds in wheelkeep.toml must be more than 0.",
    ),
    "endless time": (
        "[limits]\npage_seconds = inf\n",
        "[limits] page_seconds in wheelkeep.toml must be a finite number.",
    ),
    "unknown size": (
        "[cache]\nmax_bytes = '50 bags'\n",
        '[cache] max_bytes in wheelkeep.toml must be a size such as "50GB" or "256KiB".',
    ),
    "negative size": (
        "[cache]\nmax_bytes = -1\n",
        '[cache] max_bytes in wheelkeep.toml must be a size such as "50GB" or "256KiB".',
    ),
    "number for a table": ("server = 3\n", "[server] in wheelkeep.toml must be a table."),
    "table for a list": (
        "[upstreams]\nname = 'feed'\n",
        "[upstreams] in wheelkeep.toml must be a list of tables: write [[upstreams]].",
    ),
    "text for a list": (
        UPSTREAM + "file_hosts = 'a.example'\n",
        "[[upstreams]] 'feed': file_hosts in wheelkeep.toml must be a list.",
    ),
    "broken TOML": (
        "[server]\nport =\n",
        "wheelkeep.toml is not valid TOML: invalid value (at line 2, column 7).",
    ),
    "no process": (
        "[server]\nworkers = 0\n",
        "[server] workers in wheelkeep.toml must be 1 or more.",
    ),
    "another store": (
        "[store]\nurl = 'azblob://packages'\n",
        (
            "[store] url in wheelkeep.toml must be file: and a directory, as in file:./wheelkeep-data:"
            " this version has no other store."
        ),
    ),
    "no mode": (
        "[[indexes]]\nname = 'i'\nsources = ['private']\nmode = 'off'\n",
        "[[indexes]] 'i': mode in wheelkeep.toml must be one of 'online', 'fallback' or 'offline'.",
    ),
    "no sources": (
        "[[indexes]]\nname = 'i'\nsources = []\n",
        "[[indexes]] 'i': sources in wheelkeep.toml must not be empty.",
    ),
    "no category": (
        CONNECTION.replace("PythonFeed", "Feed") + PAT,
        "[[connections]] 'pat': category in wheelkeep.toml must be one of 'PythonFeed', 'Git' or 'Blob'.",
    ),
    "later auth type": (
        CONNECTION + "auth_type = 'ManagedIdentity'\n",
        "[[connections]] 'pat': auth_type in wheelkeep.toml must be one of 'PAT', 'Basic', 'Bearer' or 'None'.",
    ),
    "no secret": (
        CONNECTION + "auth_type = 'Bearer'\n",
        "[[connections]] 'pat' in wheelkeep.toml has auth_type 'Bearer' and no secret: add secret_file or secret_env.",
    ),
    "two secrets": (
        CONNECTION + PAT + "secret_file = 'pat'\n",
        "[[connections]] 'pat' in wheelkeep.toml has secret_file and secret_env: keep one of the two.",
    ),
    "a secret too much": (
        CONNECTION + PAT.replace("PAT'", "None'", 1),
        "[[connections]] 'pat' in wheelkeep.toml has auth_type 'None' and secret_env: drop one of the two.",
    ),
    "Basic without a user": (
        CONNECTION + PAT.replace("'PAT'", "'Basic'"),
        "[[connections]] 'pat' in wheelkeep.toml has auth_type 'Basic' and no username: add username.",
    ),
    "a user with a colon": (
        CONNECTION + PAT + "username = 'a:b'\n",
        (
            "[[connections]] 'pat': username in wheelkeep.toml must hold no colon, blank or control character,"
            " which Basic authentication cannot carry."
        ),
    ),
    "reserved index name": (
        "[[indexes]]\nname = 'simple'\nsources = ['private']\n",
        (
            "[[indexes]] 'simple': name in wheelkeep.toml must not be 'simple': wheelkeep serves /simple itself,"
            " so choose another name for the index."
        ),
    ),
    "reserved upstream name": (
        UPSTREAM.replace("'feed'", "'private'"),
        (
            "[[upstreams]] 'private': name in wheelkeep.toml must not be 'private':"
            " that source holds what is published to wheelkeep itself."
        ),
    ),
    "name with capitals": (
        UPSTREAM.replace("'feed'", "'Feed'"),
        (
            "[[upstreams]] 'Feed': name in wheelkeep.toml must be 1 to 63 lower-case letters, digits, '_' and '-',"
            " and begin with a letter or digit."
        ),
    ),
    "one name twice": (
        UPSTREAM + UPSTREAM,
        "[[upstreams]] has 2 entries named 'feed': give each its own name.",
    ),
    "unknown source": (
        UPSTREAM + "[[indexes]]\nname = 'i'\nsources = ['private', 'fed']\n",
        (
            "[[indexes]] 'i' has the source 'fed', which is not an upstream: use one of feed, private, public,"
            " or add an [[upstreams]] of that name."
        ),
    ),
    "one source twice": (
        "[[indexes]]\nname = 'i'\nsources = ['private', 'private']\n",
        "[[indexes]] 'i' has the source 'private' 2 times: keep the first.",
    ),
    "two connections with one target": (
        CONNECTION
        + PAT
        + CONNECTION.replace("'pat'", "'b'").replace("feeds.example.com/org", "FEEDS.example.com:443/org/")
        + PAT,
        "[[connections]] 'pat' and 'b' have the same target: keep one, or make one target longer.",
    ),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_wrong_file_is_told_in_one_sentence(case: str, write: Write) -> None:
    """Each mistake gives its own sentence, alone."""
    text, sentence = WRONG_FILES[case]
    write(text)
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert str(caught.value) == sentence


WRONG_VARIABLES = {
    "wrong value": ({"WHEELKEEP_SERVER__PORT": "x"}, "WHEELKEEP_SERVER__PORT must be a whole number."),
    "unknown key": (
        {"WHEELKEEP_SERVER__PROT": "1"},
        "Unknown variable WHEELKEEP_SERVER__PROT: did you mean 'WHEELKEEP_SERVER__PORT'?",
    ),
    "one underscore": (
        {"WHEELKEEP_SERVER_PORT": "1"},
        "Unknown variable WHEELKEEP_SERVER_PORT: did you mean 'WHEELKEEP_SERVER__PORT'?",
    ),
    "no table": (
        {"WHEELKEEP_PORT": "1"},
        "Unknown variable WHEELKEEP_PORT: did you mean 'WHEELKEEP_SERVER__PORT'?",
    ),
    "unknown table": (
        {"WHEELKEEP_SERVR__PORT": "1"},
        "Unknown variable WHEELKEEP_SERVR__PORT: did you mean 'WHEELKEEP_SERVER__PORT'?",
    ),
    "wrong value in JSON": (
        {"WHEELKEEP_SERVER": '{"port": "x"}'},
        "WHEELKEEP_SERVER port must be a whole number.",
    ),
    "unknown key in JSON": (
        {"WHEELKEEP_UPSTREAMS": '[{"name": "feed", "url": "https://feeds.example.com/", "urll": ""}]'},
        "Unknown key 'urll' in WHEELKEEP_UPSTREAMS 'feed': did you mean 'url'?",
    ),
    "missing in JSON": (
        {"WHEELKEEP_UPSTREAMS": '[{"name": "feed"}]'},
        "WHEELKEEP_UPSTREAMS 'feed' needs url: add it.",
    ),
    "no JSON": (
        {"WHEELKEEP_UPSTREAMS": "feed=https://feeds.example.com/"},
        "WHEELKEEP_UPSTREAMS is not valid JSON: a whole table or list is given as JSON in its variable.",
    ),
    "a list by numbers": (
        {"WHEELKEEP_UPSTREAMS__0__URL": "https://feeds.example.com/"},
        "WHEELKEEP_UPSTREAMS__0__URL cannot be used: a list is given whole, as JSON in WHEELKEEP_UPSTREAMS.",
    ),
}


@pytest.mark.parametrize("case", WRONG_VARIABLES)
def test_a_wrong_variable_is_named(case: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that came from the environment is named by its variable, also where the file has the same table."""
    variables, sentence = WRONG_VARIABLES[case]
    write("[server]\ndrain_seconds = 5\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert str(caught.value) == sentence


def test_a_wrong_value_of_the_file_is_not_blamed_on_a_variable(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable for one key of a table is not named for another key that the file got wrong."""
    write("[server]\nport = 'x'\n")
    monkeypatch.setenv("WHEELKEEP_SERVER", '{"host": "::1"}')
    with pytest.raises(
        ConfigurationError, match=r"\A\[server\] port in wheelkeep.toml must be a whole number\.\Z"
    ):
        load()


def test_every_mistake_is_told_at_once(write: Write) -> None:
    """Two mistakes are two lines, so that nobody has to start twice."""
    write("[server]\nport = 'x'\nworkers = 0\n")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert len(str(caught.value).splitlines()) == 2


SECRET = "hunter2correcthorse"
LEAKS = [
    f"[[upstreams]]\nname = 'feed'\nurl = 'https://u:{SECRET}@feeds.example.com/'\n",
    f"[[upstreams]]\nname = 'feed'\nurl = 'https://feeds.example.com/?sig={SECRET}'\n",
    f"[[upstreams]]\nname = 'feed'\nurl = 'https://[u:{SECRET}@feeds.example.com/'\n",
    f"[[upstreams]]\nname = 'feed'\nurl = 'https://u:{SECRET}@feeds.example.com:port/'\n",
    f"[server]\npublic_url = 'https://u:{SECRET}@feeds.example.com/'\n",
    f"[store]\nurl = 'azblob://u:{SECRET}@packages'\n",
    CONNECTION.replace("https://", f"https://u:{SECRET}@") + PAT,
    CONNECTION + f"auth_type = 'PAT'\nsecret_env = '{SECRET}'\n",
    CONNECTION + f"auth_type = '{SECRET}'\n",
    CONNECTION + PAT + f"username = '{SECRET}:'\n",
    CONNECTION + PAT + f"secret = '{SECRET}'\n",
    CONNECTION + f"auth_type = 'PAT'\nsecret_file = ['{SECRET}']\n",
    f"[[upstreams]]\nname = 'feed'\nurl = 'https://feeds.example.com/'\nfile_hosts = ['u:{SECRET}@blobs.example.com']\n",
]


@pytest.mark.parametrize("text", LEAKS)
def test_a_secret_in_the_wrong_place_is_not_repeated(text: str, write: Write) -> None:
    """A complaint about a value that holds a secret does not show it, nor does anything in the chain of causes."""
    write(text)
    with pytest.raises(ConfigurationError) as caught:
        load()
    error: BaseException | None = caught.value
    for _ in range(5):
        if error is None:
            break
        assert SECRET not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
