"""One attempt to send one message: look up, sign or take what was signed, encrypt, post, conclude.

The signed form is kept before its first byte leaves, so that every attempt carries the same digests and the receipt of
any of them settles the message; only the encryption is made anew (design decision 2). Where the access point is looked
up, what was found is kept with it; a message that a look-up leads elsewhere is signed anew, as it names its receiver.
"""

import logging
from dataclasses import replace

from ehmi_ap.agreements import Agreements
from ehmi_ap.as4.conclude import conclude
from ehmi_ap.as4.pack import seal, sign
from ehmi_ap.discovery.found import Found, Missed, Result
from ehmi_ap.errors import (
    ApError,
    DiscoveryError,
    SendingBlocked,
    StoreError,
    SubmissionError,
    TransportError,
    Unavailable,
)
from ehmi_ap.flows.explain import advised
from ehmi_ap.flows.offload import reading
from ehmi_ap.flows.past import Past, described, past_of
from ehmi_ap.flows.terms import Terms, agreed_terms, check_usable, found_terms, wanted_of
from ehmi_ap.flows.verdict import NOT_REACHED, OWN_FAILURE, SecondLook
from ehmi_ap.flows.world import World
from ehmi_ap.model import UNDISCOVERED, DeliveryEvent, Direction, EventKind, Outcome, Signed, Unsettled, UserMessage
from ehmi_ap.pmode import PMode
from ehmi_ap.ports import Job

log = logging.getLogger(__name__)


class Attempt:
    """One attempt, and what is known of it so far."""

    def __init__(self, job: Job, pmode: PMode | None, agreements: Agreements, world: World) -> None:
        """`pmode` is the job's; None: there is none any more."""
        self._job = job
        self._pmode = pmode
        self._agreements = agreements
        self._world = world
        self._past = Past()
        self._found: Found | None = None

    async def make(self) -> Outcome:
        """What goes wrong on our own side is an outcome too: the operator may mend it within the window.

        Raises:
            StoreError: nothing more is known than before.
        """
        try:
            return await self._send()
        except StoreError:
            raise
        except TransportError as error:
            return Unsettled(code=NOT_REACHED, reason=advised(error))
        except DiscoveryError as error:
            reason = advised(error)
            return Unsettled(code=error.code, reason=reason, retryable=error.retryable, retry_after=error.retry_after)
        except SubmissionError as error:
            return Unsettled(code=OWN_FAILURE, reason=advised(error), retryable=False)
        except ApError as error:
            return Unsettled(code=OWN_FAILURE, reason=advised(error))
        except Exception as error:
            log.exception("an attempt to send failed on our side", extra={"message_id": self._job.message.message_id})
            return Unsettled(code=OWN_FAILURE, reason=f"a failure of our own ({type(error).__name__}); see the log")

    async def look_again(self) -> SecondLook | None:
        """After the peer refused: a fresh look-up, once since C1 submitted the message or an operator resent it."""
        if self._found is None or self._past.looked_again:
            return None
        try:
            result = await self._look_up(fresh=True)
            if isinstance(result, Missed):
                raise result.error.with_traceback(None)
            if _goes_by(result) == _goes_by(self._found):
                return SecondLook("certificate and URL are the same")
            return SecondLook(described(result, self._terms(result).to), elsewhere=True)
        except DiscoveryError as error:
            return SecondLook(f"{error.code}, {error.what}")
        except Exception as error:
            log.exception("a look-up failed on our side", extra={"message_id": self._job.message.message_id})
            return SecondLook(f"a failure of our own ({type(error).__name__}); see the log")

    async def _send(self) -> Outcome:
        job, world = self._job, self._world
        terms = await self._agree()
        signed = await self._signed(terms)
        # Nothing is read here: encryption runs while it is sent.
        packed = seal(signed, job.message.message_id, terms.pmode, to=terms.recipient)
        pmode = terms.pmode
        reply = await world.web.post(
            terms.url, packed.wire, timeout=pmode.timeout, tls_trust=pmode.tls_trust, reach=terms.reach
        )
        outcome = conclude(
            reply,
            message_id=job.message.message_id,
            references=packed.references,
            pmode=pmode,
            trust=terms.trust,
            now=world.now(),
        )
        if self._found is not None and isinstance(outcome, Unsettled):
            return replace(outcome, retryable=True)  # what is no access point now may have been one: they move
        return outcome

    # -- where, and for whom

    async def _agree(self) -> Terms:
        """By the P-Mode, or by a look-up. Raises SendingBlocked, DiscoveryError."""
        job, world, pmode = self._job, self._world, self._pmode
        if pmode is None:
            raise SendingBlocked(
                f"P-Mode {job.pmode} does not exist any more.", fix="Put it back, or resend otherwise."
            )
        if pmode.network is None:
            return agreed_terms(pmode, self._agreements, world.now())
        if job.attempts > 1:
            events = await world.store.events(message_id=job.message.message_id, direction=Direction.OUTBOUND)
            self._past = past_of(events)
        result = await self._look_up(fresh=self._past.asks_anew)
        if self._past.asks_anew and isinstance(result, Missed) and isinstance(result.error, Unavailable):
            result = await self._look_up(fresh=False)
        if isinstance(result, Missed):
            raise result.error.with_traceback(None)  # it is remembered, and raised for each who asks
        self._found = result
        return self._terms(result)

    async def _look_up(self, *, fresh: bool) -> Result:
        pmode, directory = self._pmode, self._world.directory
        assert pmode is not None
        assert pmode.network is not None
        wanted = wanted_of(self._job.message, pmode, self._agreements.networks[pmode.network])
        return await directory.find(pmode.network, wanted, fresh=fresh)

    def _terms(self, found: Found) -> Terms:
        pmode, job = self._pmode, self._job
        assert pmode is not None
        assert pmode.network is not None
        return found_terms(found, job.message, pmode, self._agreements.networks[pmode.network], job.signers)

    # -- what is signed

    async def _signed(self, terms: Terms) -> Signed:
        """What was signed before, or is now: kept before its first byte leaves."""
        job, world = self._job, self._world
        if self._found is None and job.message.to.id != UNDISCOVERED:
            if job.signed is not None:
                return job.signed
            signed = await self._sign(job.message, terms.pmode)
            await world.store.keep_signed(job.key, signed)
            return signed
        if job.message.to.id == terms.to and job.signed is not None:
            if self._knows(self._found) and not self._news(terms):
                return job.signed
            await self._keep(terms, None)
            return job.signed
        signed = await self._sign(replace(job.message, to=replace(job.message.to, id=terms.to)), terms.pmode)
        await self._keep(terms, signed)
        return signed

    async def _keep(self, terms: Terms, signed: Signed | None) -> None:
        """Keep what was found with the message; raises SendingBlocked where the message is another's by now."""
        kept = await self._world.store.keep_found(
            self._job.key,
            attempt=self._job.attempts,
            to=terms.to,
            signers=_signers(self._found),
            signed=signed,
            events=self._news(terms),
        )
        if not kept:
            raise SendingBlocked("another attempt at this message has begun meanwhile.", fix="Nothing is to be done.")

    def _knows(self, found: Found | None) -> bool:
        """Whether the certificates are kept already."""
        return set(_signers(found)) <= set(self._job.signers)

    def _news(self, terms: Terms) -> list[DeliveryEvent]:
        """What the timeline does not say yet."""
        if self._found is None:
            return []
        detail = described(self._found, terms.to)
        told = self._past.found == detail if self._past.found else self._job.signers and self._knows(self._found)
        if told:
            return []
        return [discovered(self._job.message, self._job.backend, detail, self._world)]

    async def _sign(self, message: UserMessage, pmode: PMode) -> Signed:
        world, keys = self._world, self._agreements.keys
        check_usable(keys.signing.certificate, "sign", "Our signing certificate", world.now())
        bodies = [payload.body for payload in message.payloads]
        return await reading(bodies, sign, message, pmode, keys=keys, new_spool=world.blobs.spool)


def discovered(message: UserMessage, backend: str, detail: str, world: World) -> DeliveryEvent:
    """What a look-up found, for the timeline."""
    return DeliveryEvent(
        kind=EventKind.DISCOVERED,
        message_id=message.message_id,
        direction=Direction.OUTBOUND,
        at=world.now(),
        detail=detail,
        backend=backend,
    )


def _signers(found: Found | None) -> list[bytes]:
    return [] if found is None else [certificate.der for certificate in found.endpoint.signing]


def _goes_by(found: Found) -> tuple[object, ...]:
    """What an attempt depends on."""
    return (found.endpoint.url, found.endpoint.encryption, found.endpoint.signing)
