"""eDelivery AS4 1.15, Common Profile (sections 3.2 to 3.5): what our defaults are made of.

A P-Mode under it names its service and its actions itself.
"""

from ehmi_ap.profile import Profile

PROFILE = Profile(name="edelivery")
