"""Manifests: every problem is found, and named by its path; what is read is what was written."""

from pathlib import Path

import pytest

from connectors.manifest import (
    Action,
    AuthStyle,
    DateWindows,
    ManifestError,
    PageStyle,
    ParentRecords,
    ValueList,
    parse,
)

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
name: small
base_url: https://api.example.com
endpoints:
  - {name: items, path: /items}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def endpoint_problems(endpoint: str, more: str = "") -> list[str]:
    return problems(f"name: x\nbase_url: https://a\n{more}\nendpoints:\n  - {endpoint}")


def test_the_smallest_manifest_has_sound_defaults() -> None:
    manifest = parse(SMALL)
    (endpoint,) = manifest.endpoints

    assert (manifest.title, endpoint.title) == ("Small", "Items")
    assert (manifest.auth.style, manifest.credentials) == (AuthStyle.NONE, ())
    assert (endpoint.method, endpoint.records, endpoint.depth) == ("GET", (), 3)
    assert endpoint.pagination.style is PageStyle.SINGLE
    assert (manifest.client.connect_timeout, manifest.client.read_timeout) == (10, 60)


@pytest.mark.parametrize("name", ["nycflights", "bench"])
def test_the_built_in_manifests_are_read(name: str) -> None:
    manifest = parse((ROOT / "connectors" / "library" / f"{name}.yaml").read_text())

    assert manifest.name == name
    assert [credential.name for credential in manifest.credentials] == ["token"]
    assert all(endpoint.description for endpoint in manifest.endpoints)


def test_the_example_of_the_documentation_is_read() -> None:
    text = (ROOT / "docs" / "connectors.md").read_text()
    example = text.split("```yaml\n# A complete example\n")[1].split("```")[0]

    manifest = parse(example)

    assert [setting.name for setting in manifest.settings] == ["base_url", "region"]
    assert [credential.title for credential in manifest.credentials] == ["Client id of the portal", "Client secret"]
    surveys, answers, changes, regions = manifest.endpoints
    assert surveys.pagination.style is PageStyle.PAGE
    assert isinstance(answers.split, ParentRecords)
    assert isinstance(changes.split, DateWindows)
    assert isinstance(regions.split, ValueList)
    assert answers.rules[0].action is Action.IGNORE
    assert answers.rules[-1].action is Action.RETRY
    assert answers.tables[0].path == ("answers",)


def test_the_documentation_names_every_key() -> None:
    text = (ROOT / "docs" / "connectors.md").read_text()
    unknown = problems(
        "name: x\nbase_url: https://a\nzz: 1\nclient: {zz: 1}\nauth: {style: oauth2, token_url: https://t, zz: 1}\n"
        "settings: {s: {zz: 1}}\nendpoints:\n"
        "- {name: a, path: /a, zz: 1, cursor: {field: f, param: p, zz: 1}, tables: [{name: t, zz: 1}],"
        " responses: [{action: fail, zz: 1, when: {path: p, zz: 1}}],"
        " pagination: {style: page, zz: 1}, partition: {by: date, start: 2020-01-01, zz: 1}}\n"
        "- {name: b, path: /b, pagination: {style: cursor, path: x, zz: 1},"
        " partition: {by: list, values: [1], zz: 1}}\n"
        "- {name: c, path: /c, pagination: {style: offset, size: 1, zz: 1},"
        " partition: {by: parent, endpoint: a, zz: 1}}"
    )
    keys = {key for line in unknown if "use one of" in line for key in line.split("use one of ")[1].split(", ")}

    assert len([line for line in unknown if ".zz: unknown key" in f".{line}"]) == 15
    assert len(keys) > 60
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        """
name: Bad Name
base_url: https://api.example.com
clinet: {attempts: 3}
auth: {style: bearrer}
endpoints:
  - name: ok
    path: /ok
  - name: two
    path: two
    depth: many
  - name: three
    path: /three
    pagination: {style: pages}
    types: {a: varchar}
    records: [a]
"""
    )

    assert sorted(line.partition(":")[0] for line in found) == [
        "auth.style",
        "clinet",
        "endpoints[1].depth",
        "endpoints[1].path",
        "endpoints[2].pagination.style",
        "endpoints[2].records",
        "endpoints[2].types.a",
        "name",
    ]
    told = "\n".join(found)
    assert 'endpoints[2].pagination.style: unknown style "pages": use one of single, page, offset, cursor' in told
    assert 'auth.style: unknown style "bearrer": use one of' in told
    assert 'clinet: unknown key (did you mean "client"?)' in told


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("{path: /a}", "endpoints[0].name: is missing"),
        ("{name: 1a, path: /a}", 'endpoints[0].name: "1a" must be letters'),
        ("{name: a}", "endpoints[0].path: is missing"),
        ("{name: a, path: '/a?x=1'}", "endpoints[0].path: must hold no query"),
        ("{name: a, path: /a, method: PUT}", 'unknown method "PUT": use one of GET, POST'),
        ("{name: a, path: /a, body: {}}", "endpoints[0].body: only a POST has a body"),
        ("{name: a, path: /a, depth: -1}", "endpoints[0].depth: must be at least 0"),
        ("{name: a, path: /a, depth: 1.5}", "endpoints[0].depth: must be a whole number"),
        ("{name: a, path: /a, depth: true}", 'endpoints[0].depth: must be a number, not "true"'),
        ("{name: a, path: /a, pagination: {style: offset}}", "pagination.size: is missing"),
        ("{name: a, path: /a, pagination: {style: page, size: 5}}", "pagination.size_param: is missing"),
        ("{name: a, path: /a, pagination: {style: cursor}}", "pagination.path: is missing"),
        ("{name: a, path: /a, pagination: {style: cursor, path: a, pages_path: b}}", "pagination.pages_path: unknown"),
        ("{name: a, path: /a, pagination: {stile: page}}", "pagination.style: is missing"),
        ("{name: a, path: /a, cursor: {param: since}}", "cursor.field: is missing"),
        ("{name: a, path: /a, cursor: {field: f, param: p, look_back: soon}}", 'cannot read the duration "soon"'),
        ("{name: a, path: /a, cursor: {field: f}}", "endpoints[0].cursor: needs `param`"),
        ("{name: a, path: /a, partition: {by: moon}}", 'partition.by: unknown by "moon": use one of date, list'),
        ("{name: a, path: /a, partition: {by: list, values: [1]}}", "endpoints[0].partition: is not used"),
        ("{name: a, path: '/a/{{ partition.value }}', partition: {by: list}}", "partition.values: is missing"),
        ("{name: a, path: '/{{ parent.id }}', partition: {by: parent, endpoint: b}}", 'no endpoint is named "b"'),
        ("{name: a, path: /a, partition: {by: date, start: soon}}", 'cannot read the date "soon"'),
        ("{name: a, path: /a, partition: {by: date, start: 2024-01-01, step: year}}", 'unknown step "year"'),
        ("{name: a, path: /a, params: {x: '{{ since }}'}}", 'endpoints[0].params: unknown placeholder "{{ since }}"'),
        ("{name: a, path: /a, params: {x: '{{ 1 + 1 }}'}}", 'unknown placeholder "{{ 1 + 1 }}"'),
        ("{name: a, path: /a, params: {x: [1]}}", "endpoints[0].params.x: must be text, not a list"),
        ("{name: a, path: /a, tables: [{name: t}]}", "endpoints[0].key: is missing"),
        ("{name: a, path: /a, responses: [{action: fail}]}", "responses[0]: needs `status` or `when`"),
        ("{name: a, path: /a, responses: [{status: 4x, action: fail}]}", 'unknown status "4x"'),
        ("{name: a, path: /a, responses: [{when: {}, action: fail}]}", "when: needs `path`"),
        ("{name: a, path: /a, responses: [{status: 404, action: explode}]}", 'unknown action "explode"'),
        ("[]", "endpoints[0]: must be a mapping of keys, not a list"),
    ],
)
def test_a_problem_of_an_endpoint_is_named(endpoint: str, told: str) -> None:
    assert told in "\n".join(endpoint_problems(endpoint))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the document is empty"),
        ("- a", "the document is empty or no mapping"),
        ("a: [", "line 1, column 5: this is not readable YAML"),
        ("a: 1\na: 2", "line 2, column 1: this is not readable YAML: the key 'a' is given twice"),
        ("a: &x [1]\nb: *x", "aliases are not allowed"),
        ("a: !!python/object/apply:os.system [ls]", "this is not readable YAML"),
        ("x" * 1_000_001, "larger than 1,000,000"),
        ("a: \x01", "this is not readable YAML"),
        ("manifest: 2\n" + SMALL, "manifest: this release reads version 1 only"),
        ("auth: {style: header}\n" + SMALL, "auth.header: is missing"),
        ("auth: {style: oauth2}\n" + SMALL, "auth.token_url: is missing"),
        ("credentials: {token: T}\n" + SMALL, 'credentials.token: unknown: auth style "none" asks for no credentials'),
        ("settings: {Big: 1}\n" + SMALL, "settings.Big: a setting's name must be"),
        ("headers: {X: '{{ settings.nope }}'}\n" + SMALL, 'headers: unknown placeholder "{{ settings.nope }}"'),
        ("client: {in_flight: 100}\n" + SMALL, "client.in_flight: must be at least 1 and at most 64"),
        ("name: a\nbase_url: https://a", "endpoints: is missing"),
        ("name: a\nbase_url: https://a\nendpoints: []", "endpoints: must hold at least one entry"),
        ("name: a\nbase_url: https://a\nendpoints: {}", "endpoints: must be a list, not a mapping"),
    ],
)
def test_a_problem_of_the_document_is_named(text: str, told: str) -> None:
    assert told in "\n".join(problems(text))


def test_names_that_would_share_a_table_are_refused() -> None:
    found = problems(
        SMALL + "  - {name: Items, path: /b}\n  - {name: a, path: /a, key: id, tables: [{name: b}]}\n"
        "  - {name: a__b, path: /c}"
    )

    assert [line.partition(":")[0] for line in found] == [
        "endpoints[0].name",
        "endpoints[1].name",
        "endpoints[3].name",
        "endpoints[2].tables[0].name",
    ]


def test_a_parent_of_a_parent_is_refused() -> None:
    text = SMALL + (
        "  - {name: b, path: '/{{ parent.id }}', partition: {by: parent, endpoint: items}}\n"
        "  - {name: c, path: '/{{ parent.id }}', partition: {by: parent, endpoint: b}}"
    )

    assert problems(text) == ['endpoints[2].partition.endpoint: "b" has a parent itself: only one level is possible']


def test_defaults_stand_in_for_what_an_endpoint_does_not_say() -> None:
    manifest = parse("defaults: {records: data, depth: 5}" + SMALL + "  - {name: b, path: /b, depth: 1}")

    assert [(endpoint.records, endpoint.depth) for endpoint in manifest.endpoints] == [(("data",), 5), (("data",), 1)]


def test_settings_may_be_values_mappings_or_nothing() -> None:
    manifest = parse("settings: {a: 5, b: {title: B, help: H}, c: }" + SMALL)

    assert [(s.name, s.title, s.default) for s in manifest.settings] == [
        ("a", "A", "5"),
        ("b", "B", None),
        ("c", "C", None),
    ]


@pytest.mark.parametrize("body", ["[1]", "text", "{paging: null}", "{paging: 5}"])
def test_what_is_put_into_a_body_needs_room_there(body: str) -> None:
    paging = "pagination: {style: page, param: paging.page, into: body}"

    found = endpoint_problems(f"{{name: a, path: /a, method: POST, body: {body}, {paging}}}")

    assert found == [
        'endpoints[0].pagination.into: there is no room for "paging.page" in `body`: what leads to it must be a mapping'
    ]


def test_what_is_put_into_a_body_needs_a_post() -> None:
    cursor = "cursor: {field: at, param: since, into: body}"

    found = endpoint_problems(f"{{name: a, path: /a, {cursor}}}")

    assert found == ["endpoints[0].cursor.into: only a POST has a body: set `method: POST` for the endpoint"]


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("key: [id, id]", "endpoints[0].key: names a field twice"),
        (
            "key: id, tables: [{name: t, path: x.y}, {name: u, path: x.y}]",
            'endpoints[0].tables[1].path: the array "x.y" fills another table already',
        ),
        (
            "cursor: {field: at, param: since, look_back: 99999999w}",
            'endpoints[0].cursor.look_back: the duration "99999999w" is longer than ten years',
        ),
    ],
)
def test_what_could_not_work_is_told(endpoint: str, problem: str) -> None:
    assert endpoint_problems(f"{{name: a, path: /a, {endpoint}}}") == [problem]


def test_a_date_that_is_none_is_told_with_its_line() -> None:
    (found,) = endpoint_problems("{name: a, path: /a, partition: {by: date, start: 2024-13-01}}")

    assert found.startswith("line 5, column ")
    assert "'2024-13-01' is no date" in found
