package interop;

import com.helger.peppolid.IDocumentTypeIdentifier;
import com.helger.peppolid.IParticipantIdentifier;
import com.helger.peppolid.IProcessIdentifier;
import com.helger.peppolid.factory.IIdentifierFactory;

/**
 * A question, one line of JSON.
 *
 * @param ask "name" or "where" (of the participant, in DNS), "group", "metadata" or "endpoint"
 * @param smp the base URL of the SMP; null: the one that DNS has
 * @param anonymous TLS without the client certificate
 */
record Ask(
        String ask,
        String dialect,
        String smp,
        String zone,
        Identifier participant,
        Identifier document,
        Identifier process,
        String profile,
        boolean anonymous) {

    record Identifier(String scheme, String value) {}

    IParticipantIdentifier participant(IIdentifierFactory factory) {
        return known(factory.createParticipantIdentifier(participant.scheme(), participant.value()), participant);
    }

    IDocumentTypeIdentifier document(IIdentifierFactory factory) {
        return known(factory.createDocumentTypeIdentifier(document.scheme(), document.value()), document);
    }

    IProcessIdentifier process(IIdentifierFactory factory) {
        return known(factory.createProcessIdentifier(process.scheme(), process.value()), process);
    }

    private static <T> T known(T made, Identifier from) {
        if (made == null) {
            throw new IllegalArgumentException("the library does not take " + from + " as an identifier");
        }
        return made;
    }
}
