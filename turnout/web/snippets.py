"""How to point each Segment library at us: host and write key filled in, ready to paste."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from turnout.access.keys import Kind, WriteKey

PYTHON = """\
# pip install segment-analytics-python
import segment.analytics as analytics

analytics.write_key = "{key}"
analytics.host = "{url}"

analytics.identify("alice", {{"name": "Alice"}})
analytics.group("alice", "acme", {{"name": "Acme"}})
analytics.track("alice", "Pressed Big Button", {{"colour": "red"}})
analytics.flush()  # before a short program ends
"""

NODE = """\
// npm install @segment/analytics-node
import {{ Analytics }} from "@segment/analytics-node"

const analytics = new Analytics({{ writeKey: "{key}", host: "{url}" }})

analytics.identify({{ userId: "alice", traits: {{ name: "Alice" }} }})
analytics.group({{ userId: "alice", groupId: "acme", traits: {{ name: "Acme" }} }})
analytics.track({{ userId: "alice", event: "Pressed Big Button", properties: {{ colour: "red" }} }})
await analytics.closeAndFlush()  // before a short program ends
"""

WEB_PAGE = """\
<script>
  // Calls made before the library is there wait in this list.
  window.analytics = window.analytics || []
  for (const call of ["identify", "group", "track", "page", "alias", "reset", "ready", "on"]) {{
    analytics[call] ||= (...values) => analytics.push([call, ...values])
  }}
  analytics._writeKey = "{key}"
  analytics._cdn = "{url}"
  analytics.page()
</script>
<script async src="{url}/analytics.js/v1/{key}/analytics.min.js"></script>

<script>
  analytics.identify("alice", {{ name: "Alice" }})
  analytics.group("acme", {{ name: "Acme" }})
  analytics.track("Pressed Big Button", {{ colour: "red" }})
</script>
"""

BUNDLED = """\
// npm install @segment/analytics-next
import {{ AnalyticsBrowser }} from "@segment/analytics-next"

const analytics = AnalyticsBrowser.load({{ writeKey: "{key}", cdnURL: "{url}" }})

analytics.identify("alice", {{ name: "Alice" }})
analytics.group("acme", {{ name: "Acme" }})
analytics.track("Pressed Big Button", {{ colour: "red" }})
"""

RUBY = """\
# gem install analytics-ruby
require "segment/analytics"

analytics = Segment::Analytics.new(
  write_key: "{key}", host: "{hostname}", port: {port}, ssl: {is_secure}
)

analytics.identify(user_id: "alice", traits: {{ name: "Alice" }})
analytics.group(user_id: "alice", group_id: "acme", traits: {{ name: "Acme" }})
analytics.track(user_id: "alice", event: "Pressed Big Button", properties: {{ colour: "red" }})
analytics.flush  # before a short program ends
"""

GO = """\
// go get github.com/segmentio/analytics-go/v3
package main

import "github.com/segmentio/analytics-go/v3"

func main() {{
	client, _ := analytics.NewWithConfig("{key}", analytics.Config{{Endpoint: "{url}"}})
	defer client.Close() // sends what is left

	client.Enqueue(analytics.Identify{{
		UserId: "alice", Traits: analytics.NewTraits().SetName("Alice"),
	}})
	client.Enqueue(analytics.Group{{UserId: "alice", GroupId: "acme"}})
	client.Enqueue(analytics.Track{{
		UserId: "alice", Event: "Pressed Big Button",
		Properties: analytics.NewProperties().Set("colour", "red"),
	}})
}}
"""

PHP = """\
<?php // composer require segmentio/analytics-php
use Segment\\Segment;

Segment::init("{key}", ["host" => "{place}", "ssl" => {is_secure}]);

Segment::identify(["userId" => "alice", "traits" => ["name" => "Alice"]]);
Segment::group(["userId" => "alice", "groupId" => "acme", "traits" => ["name" => "Acme"]]);
Segment::track([
    "userId" => "alice", "event" => "Pressed Big Button", "properties" => ["colour" => "red"],
]);
Segment::flush();
"""

JAVA = """\
// com.segment.analytics.java:analytics
Analytics analytics = Analytics.builder("{key}").endpoint("{url}/").build();

analytics.enqueue(
    IdentifyMessage.builder().userId("alice").traits(Map.of("name", "Alice")));
analytics.enqueue(
    GroupMessage.builder("acme").userId("alice").traits(Map.of("name", "Acme")));
analytics.enqueue(
    TrackMessage.builder("Pressed Big Button").userId("alice")
        .properties(Map.of("colour", "red")));
analytics.flush();
"""

KOTLIN = """\
// com.segment.analytics.kotlin:android
val analytics = Analytics("{key}", applicationContext) {{
    apiHost = "{place}/v1"
    cdnHost = "{place}/v1"
}}

analytics.identify("alice", buildJsonObject {{ put("name", "Alice") }})
analytics.group("acme", buildJsonObject {{ put("name", "Acme") }})
analytics.track("Pressed Big Button", buildJsonObject {{ put("colour", "red") }})
"""

SWIFT = """\
// https://github.com/segmentio/analytics-swift
import Segment

let analytics = Analytics(configuration: Configuration(writeKey: "{key}")
    .apiHost("{place}/v1")
    .cdnHost("{place}/v1"))

analytics.identify(userId: "alice", traits: ["name": "Alice"])
analytics.group(groupId: "acme", traits: ["name": "Acme"])
analytics.track(name: "Pressed Big Button", properties: ["colour": "red"])
"""

CSHARP = """\
// dotnet add package Segment.Analytics.CSharp
using Segment.Analytics;
using Segment.Serialization;

var analytics = new Analytics(new Configuration(
    "{key}", apiHost: "{place}/v1", cdnHost: "{place}/v1"));

analytics.Identify("alice", new JsonObject {{ ["name"] = "Alice" }});
analytics.Group("acme", new JsonObject {{ ["name"] = "Acme" }});
analytics.Track("Pressed Big Button", new JsonObject {{ ["colour"] = "red" }});
analytics.Flush();
"""

CURL = """\
curl {url}/v1/track -u '{key}:' \\
  -d '{{"userId": "alice", "event": "Pressed Big Button", "properties": {{"colour": "red"}}}}'
"""

# Language, for which kind of key it comes first, its text, and whether it insists on https.
LANGUAGES: tuple[tuple[str, Kind, str, bool], ...] = (
    ("Python", "server", PYTHON, False),
    ("Node", "server", NODE, False),
    ("Web page", "browser", WEB_PAGE, False),
    ("Web app, bundled", "browser", BUNDLED, False),
    ("Ruby", "server", RUBY, True),
    ("Go", "server", GO, False),
    ("PHP", "server", PHP, False),
    ("Java", "server", JAVA, False),
    ("Kotlin", "mobile", KOTLIN, True),
    ("Swift", "mobile", SWIFT, True),
    ("C#", "mobile", CSHARP, True),
    ("curl", "server", CURL, False),
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of code that sends three events."""

    language: str
    text: str
    # What is in the way of using it as it is; usually nothing.
    warning: str = ""


def snippets(key: WriteKey, url: str) -> list[Snippet]:
    """One for each library, those that suit the key's kind first. `url` is the collector's."""
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    values = {
        "key": key.key,
        "url": url,
        "place": url.partition("://")[2],
        "hostname": parts.hostname or "",
        "port": parts.port or (443 if is_secure else 80),
        "is_secure": "true" if is_secure else "false",
    }
    suiting = sorted(LANGUAGES, key=lambda language: language[1] != key.kind)
    return [
        Snippet(
            language,
            text.format_map(values).rstrip("\n"),
            "" if is_secure or not needs_https
            else "This library speaks https only: put the collector behind TLS to use it.",
        )
        for language, _, text, needs_https in suiting
    ]  # fmt: skip
