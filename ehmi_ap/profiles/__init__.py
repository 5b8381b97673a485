"""The networks: one value per file. A P-Mode names one, and what the profile fixes is not repeated there."""

from collections.abc import Mapping
from dataclasses import replace

from ehmi_ap.ehmi import sbdh
from ehmi_ap.model import UserMessage
from ehmi_ap.profile import Checked, Profile
from ehmi_ap.profiles import edelivery, ehmi

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (edelivery.PROFILE, ehmi.PROFILE)}
"""Every profile by the name that P-Modes use."""

RULES: tuple[str, ...] = sbdh.RULES
"""The ids of every rule that a profile checks."""


def with_levels(profile: Profile, levels: Mapping[str, str]) -> Profile:
    """The profile with the level of some rules changed: rule id -> off, warn or reject (design decision 9)."""
    check = profile.check
    if check is None or not levels:
        return profile

    def leveled(message: UserMessage) -> Checked:
        checked = check(message)
        findings = (replace(found, level=levels.get(found.rule, found.level)) for found in checked.findings)
        return replace(checked, findings=tuple(found for found in findings if found.level != "off"))

    return replace(profile, check=leveled)
