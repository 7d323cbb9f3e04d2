"""The site: every page and address, put together."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from turnout.access.secret import secret_key
from turnout.errors import TurnoutError
from turnout.web import (
    assets,
    catalog,
    clips,
    connect,
    databases,
    editor,
    headers,
    health,
    history,
    home,
    live,
    login,
    metrics,
    privacy,
    public,
    responses,
    share,
    sources,
    visit,
)
from turnout.web.attempts import Attempts
from turnout.web.drawings import Drawings
from turnout.web.lookings import Lookings
from turnout.web.pages import Pages
from turnout.web.readings import Readings
from turnout.web.rooms import Rooms
from turnout.web.waiting import Waiting

# A query may have 100 KB; a form with one, in the worst encoding, three times that.
BODY_BYTES_MAX = 512 * 1024

ROUTES = [
    home.show_home,
    clips.list_clips,
    clips.show_clip,
    clips.show_chart,
    editor.new_clip,
    editor.create_clip,
    editor.edit_clip,
    editor.save_clip,
    editor.show_schema,
    editor.archive_clip,
    history.show_history,
    history.restore_version,
    history.copy_clip,
    history.pin_clip,
    share.show_share,
    share.create_link,
    share.revoke_link,
    public.show_link,
    public.show_link_chart,
    live.show_live,
    live.show_rows,
    catalog.show_catalog,
    catalog.show_kind,
    sources.show_sources,
    sources.show_source,
    sources.create_source,
    sources.add_key,
    sources.change_key,
    sources.revoke_key,
    sources.send_test,
    connect.new_database,
    connect.look_at_database,
    connect.look_again,
    connect.show_offer,
    connect.connect_database,
    databases.show_database,
    databases.show_standing,
    databases.show_copies,
    databases.copy_now,
    privacy.show_report,
    privacy.send_json,
    privacy.send_csv,
    login.show_sign_in,
    login.sign_in,
    login.sign_out,
    login.show_welcome,
    login.claim,
    health.show_health,
    health.show_readiness,
    metrics.show_metrics,
    assets.show_asset,
    assets.show_favicon,
]


def build_site(rooms: Rooms, *, clock: Callable[[], datetime] = visit.clock) -> Litestar:
    """The ASGI app of all pages. It opens nothing; on shutdown it writes down what it counted."""
    state = State(
        {
            "rooms": rooms,
            "clock": clock,
            "secret": secret_key(rooms.config.data_folder),
            "pages": Pages(),
            "waiting": Waiting(rooms.answers),
            "readings": Readings(rooms.warehouse),
            "begun": secrets.token_hex(8),  # tells this process's answers from the last one's
            "drawings": Drawings(),
            "attempts": Attempts(),
            "lookings": Lookings(),
        }
    )
    # Every request is a `Visit`, because of `request_class`; the framework's types cannot say so.
    before_request: Any = visit.check_form
    exception_handlers: Any = {
        TurnoutError: responses.answer_error,
        HTTPException: responses.answer_refusal,
        Exception: responses.answer_surprise,
    }
    return Litestar(
        route_handlers=ROUTES,
        request_class=visit.Visit,
        state=state,
        before_request=before_request,
        before_send=[headers.add_headers],
        exception_handlers=exception_handlers,
        on_shutdown=[_close],
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )


async def _close(app: Litestar) -> None:
    await app.state.waiting.close()
    await app.state.readings.close()
    app.state.rooms.links.write_uses()
