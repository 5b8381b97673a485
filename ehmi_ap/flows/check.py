"""What a profile asks of a message beyond the protocol.

Both sides of us use it: before a message is accepted from C1, and before one is acknowledged to C2. A test message
carries no business, so no rule applies to it (ebMS3 core 5.2.2.8).
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from ehmi_ap.errors import EbmsError, Other
from ehmi_ap.flows.offload import reading
from ehmi_ap.flows.world import World
from ehmi_ap.model import UserMessage
from ehmi_ap.pmode import PMode, is_test
from ehmi_ap.profile import Checked, Finding

log = logging.getLogger(__name__)


async def profile_check(message: UserMessage, pmode: PMode, world: World) -> Checked:
    """The findings that forbid the message, and its envelope; what only warns is logged."""
    profile = world.profiles.get(pmode.profile)
    if profile is None or profile.check is None or is_test(message.service):
        return Checked(())
    checked = await reading([payload.body for payload in message.payloads], profile.check, message)
    for finding in checked.findings:
        if finding.level == "warn":
            log.warning(
                "the message breaks a rule that is set to warn",
                extra={
                    "message_id": message.message_id,
                    "rule": finding.rule,
                    "what": finding.what,
                    "fix": finding.fix,
                },
            )
    return replace(checked, findings=[finding for finding in checked.findings if finding.level == "reject"])


def profile_fault(refused: Sequence[Finding], pmode: PMode) -> EbmsError:
    """What a received message is refused with: EBMS:0004 with the rules' ids (as4-wire 6.4)."""
    rules = ", ".join(dict.fromkeys(finding.rule for finding in refused))
    return Other(
        f"profile {pmode.profile} refuses the message: {rules}",
        fix=advice(refused),
        public=f"The message breaks {rules}.",
    )


def advice(refused: Sequence[Finding]) -> str | None:
    """What to do about the findings, each thing once."""
    return " ".join(dict.fromkeys(finding.fix for finding in refused if finding.fix)) or None
