"""The statements for a role, from what turnout.toml says alone."""

from turnout.config import Source, TableSelection
from turnout.sync.offer.statements import role_of, statements

TABLES = {"company": TableSelection(["uuid", "plan"])}


def test_postgresql() -> None:
    source = Source("postgresql://turnout@a:1,b:2/my%20app?sslmode=verify-full", tables=TABLES)
    assert role_of(source) == "turnout"
    assert statements("app", source, "turnout")[2:] == [
        'GRANT CONNECT ON DATABASE "my app" TO "turnout";',
        'GRANT USAGE ON SCHEMA "public" TO "turnout";',
        'GRANT SELECT ("uuid", "plan") ON "public"."company" TO "turnout";',
    ]


def test_mysql() -> None:
    source = Source("mysql://turnout@db/app", tables=TABLES)
    made, granted = statements("app", source, "turnout")
    assert made.startswith("CREATE USER 'turnout'@'%' IDENTIFIED BY '…'")
    assert granted == "GRANT SELECT (`uuid`, `plan`) ON `app`.`company` TO 'turnout'@'%';"


def test_files_ask_for_no_role() -> None:
    assert statements("app", Source("file:", tables=TABLES), "turnout") == []
