"""Settings: one file, the environment over it, and clear words when either is wrong."""

from pathlib import Path

import pytest

from turnout.config import Config, load_config, settings_in_force
from turnout.errors import ConfigError

SOURCE = """
[sources.app]
url = "postgresql://reader@db.example/app"

[sources.app.tables.companyperson]
columns = ["person_uuid", "company_uuid"]
"""


def load(home: Path, text: str = "", **environ: str) -> Config:
    (home / "turnout.toml").write_text(text)
    return load_config(home, environ)


def test_no_file_and_no_environment_is_a_whole_configuration(tmp_path: Path) -> None:
    config = load_config(tmp_path, {})
    assert config.web.url == "http://127.0.0.1:8100"
    assert config.collector.url == "http://127.0.0.1:8101"
    assert config.warehouse_file == tmp_path / "data/warehouse.duckdb"
    assert config.sources == {}


def test_the_file_is_read_and_the_environment_wins_over_it(tmp_path: Path) -> None:
    config = load(tmp_path, "[web]\nport = 9000\nhost = '0.0.0.0'", TURNOUT_WEB_PORT="9001")
    assert (config.web.port, config.web.host) == (9001, "0.0.0.0")


def test_a_source_names_its_tables_and_columns(tmp_path: Path) -> None:
    source = load(tmp_path, SOURCE).sources["app"]
    assert source.schema == "userdata"
    assert source.tables["companyperson"].columns == ["person_uuid", "company_uuid"]


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://reader:hush@db.example/app\n")
    config = load(tmp_path, SOURCE, TURNOUT_SOURCES_APP_URL_FILE=str(secret))
    assert config.sources["app"].url == "postgresql://reader:hush@db.example/app"


def test_settings_in_force_hide_the_password(tmp_path: Path) -> None:
    config = load(tmp_path, SOURCE, TURNOUT_SOURCES_APP_URL="postgresql://r:hush@db.example/app")
    printed = "\n".join(" ".join(setting) for setting in settings_in_force(config))
    assert "hush" not in printed
    assert "postgresql://r:•••@db.example/app" in printed


def test_every_setting_has_a_sentence(tmp_path: Path) -> None:
    for name, _, sentence in settings_in_force(load(tmp_path, SOURCE)):
        assert sentence, name
        assert sentence.endswith("."), name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[web]\nprot = 1", ["'web.prot'", "Did you mean 'port'?"]),
        ("[webb]\nport = 1", ["'webb'", "Did you mean 'web'?"]),
        ("[web]\nport = 70000", ["web.port", "65535"]),
        ("[web]\nport = 'many'", ["web.port"]),
        ("[web\nport", ["turnout.toml", "not valid TOML"]),
        ("[web]\nport = 8101", ["both 8101"]),
        ("[warehouse]\nurl = 'oracle:x'", ["oracle:x", "duckdb:"]),
        ("[sources.app]\nschema = 'x'", ["'sources.app.url' is missing"]),
        ("[sources.app]\nurl = 'oracle://x'", ["sources.app.url", "postgresql://"]),
        (SOURCE.replace('["person_uuid", "company_uuid"]', '["*"]'), ["companyperson", "'*'"]),
        (
            SOURCE.replace("columns =", "column ="),
            ["'sources.app.tables.companyperson.column'", "'columns'"],
        ),
        (SOURCE + "[sources.app.tables.x]\ncolumns = []", ["columns", "1"]),
        (SOURCE.replace('app"', 'app"\nschema = "analytics"', 1), ["'analytics'"]),
        ("web = 3", ["web"]),
        ("[clips]\ntimeout_s = inf", ["clips.timeout_s", "31622400"]),
        (SOURCE.replace("db.example", "db.example:x"), ["sources.app.url", "host:port"]),
        (SOURCE.replace("reader@db.example", ""), ["sources.app.url", "host:port"]),
    ],
)
def test_a_wrong_setting_is_one_clear_sentence(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    for word in words:
        assert word in str(raised.value)


def test_a_variable_that_names_no_setting_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"TURNOUT_WEB_PROT.*Did you mean 'web_port'"):
        load(tmp_path, "", TURNOUT_WEB_PROT="1")


def test_a_missing_secret_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TURNOUT_SOURCES_APP_URL_FILE"):
        load(tmp_path, SOURCE, TURNOUT_SOURCES_APP_URL_FILE=str(tmp_path / "gone"))


def test_a_file_that_is_not_text_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "turnout.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path, {})


MEMBERSHIP = """
[identity.membership]
table = "userdata.companyperson"
account = "company_uuid"
user = "person_uuid"
"""


def test_a_copied_table_may_decide_who_belongs_to_which_account(tmp_path: Path) -> None:
    membership = load(tmp_path, SOURCE + MEMBERSHIP).identity.membership
    assert (membership.table, membership.user) == ("userdata.companyperson", "person_uuid")
    assert (membership.since, membership.until) == ("", "")
    config = load(tmp_path, SOURCE + MEMBERSHIP, TURNOUT_IDENTITY_MEMBERSHIP_UNTIL="company_uuid")
    assert config.identity.membership.until == "company_uuid"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('table = "companyperson"', "identity.membership.table"),
        ('table = "userdata.person"', "identity.membership.table"),
        ('account = "company_id"', "identity.membership.account"),
        ('user = ""', "identity.membership.user"),
        ('until = "left_at"', "identity.membership.until"),
        ('role = "role"', "identity.membership.role"),
    ],
)
def test_a_table_that_is_not_copied_cannot_decide(tmp_path: Path, line: str, place: str) -> None:
    key = line.partition(" ")[0]
    kept = [each for each in MEMBERSHIP.splitlines() if not each.startswith(f"{key} ")]
    with pytest.raises(ConfigError, match=place):
        load(tmp_path, "\n".join([SOURCE, *kept, line]))


def test_a_proxy_that_is_no_address_is_refused(tmp_path: Path) -> None:
    proxies = "10.0.0.0/8 ::1"
    config = load(tmp_path, f'[collector]\ntrusted_proxies = "{proxies}"')
    assert config.collector.trusted_proxies == proxies
    with pytest.raises(ConfigError, match=r"'10\.0\.0\.0/99', which is no address"):
        load(tmp_path, TURNOUT_COLLECTOR_TRUSTED_PROXIES="10.0.0.0/99")
