"""What a profile asks of a message beyond the protocol.

Both sides of us use it: before a message is accepted from C1, and before one is acknowledged to C2. A test message
carries no business, so no rule applies to it (ebMS3 core 5.2.2.8).
"""

import logging
from collections.abc import Sequence

from ehmi_ap.errors import EbmsError, Other
from ehmi_ap.flows.offload import reading
from ehmi_ap.flows.world import World
from ehmi_ap.model import UserMessage
from ehmi_ap.pmode import Finding, PMode, is_test

log = logging.getLogger(__name__)


async def profile_findings(message: UserMessage, pmode: PMode, world: World) -> Sequence[Finding]:
    """The findings that forbid the message; those that only warn are logged."""
    profile = world.profiles.get(pmode.profile)
    if profile is None or profile.check is None or is_test(message.service):
        return ()
    findings = await reading([payload.body for payload in message.payloads], profile.check, message)
    for finding in findings:
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
    return [finding for finding in findings if finding.level == "reject"]


async def profile_fault(message: UserMessage, pmode: PMode, world: World) -> EbmsError | None:
    """What a received message is refused with, if anything: EBMS:0004 with the rules' ids (as4-wire 6.4)."""
    refused = await profile_findings(message, pmode, world)
    if not refused:
        return None
    rules = ", ".join(dict.fromkeys(finding.rule for finding in refused))
    return Other(
        f"profile {pmode.profile} refuses the message: {rules}",
        fix=advice(refused),
        public=f"The message breaks {rules}.",
    )


def advice(refused: Sequence[Finding]) -> str | None:
    """What to do about the findings, each thing once."""
    return " ".join(dict.fromkeys(finding.fix for finding in refused if finding.fix)) or None
