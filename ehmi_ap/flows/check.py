"""What an agreement asks of a message beyond the protocol: the profile's rules, and the four corners.

Both sides of us use it: before a message is accepted from C1, and before one is acknowledged to C2. A test message
carries no business, so nothing is asked of it (ebMS3 core 5.2.2.8).
"""

import logging
from collections.abc import Sequence

from ehmi_ap.errors import EbmsError, Other, ProcessingModeMismatch
from ehmi_ap.flows.compose import FINAL_RECIPIENT, ORIGINAL_SENDER
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


def four_corner_error(message: UserMessage, pmode: PMode) -> EbmsError | None:
    """A required property that is missing, empty or there twice: EBMS:0010 (as4-wire 6.4; conformance G45)."""
    if not pmode.four_corner or is_test(message.service):
        return None
    for name in (ORIGINAL_SENDER, FINAL_RECIPIENT):
        values = [item.value for item in message.properties if item.name == name]
        if len(values) != 1 or not values[0].strip():
            fault = "twice" if len(values) > 1 else "empty" if values else "missing"
            return ProcessingModeMismatch(
                f"message property {name} is {fault}",
                fix="The sender has to name its C1 and C4 once each (eDelivery AS4 1.15 4.1.2).",
                public=f"The message property {name} is required exactly once, with a value.",
            )
    return None


async def first_fault(message: UserMessage, pmode: PMode, world: World) -> EbmsError | None:
    """What a received message is refused with, if anything: the four corners first, then the profile's rules."""
    corners = four_corner_error(message, pmode)
    if corners is not None:
        return corners
    refused = await profile_findings(message, pmode, world)
    if not refused:
        return None
    rules = ", ".join(finding.rule for finding in refused)
    return Other(
        f"profile {pmode.profile} refuses the message: {rules}",
        fix=" ".join(finding.fix for finding in refused if finding.fix) or None,
        public=f"The message breaks {rules}.",
    )
