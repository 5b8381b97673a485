package interop;

import com.helger.phase4.CAS4;
import com.helger.phase4.ebms3header.Ebms3CollaborationInfo;
import interop.Ebms.Agreement;
import interop.Ebms.Party;
import interop.Ebms.Property;
import interop.Ebms.Service;
import java.nio.file.Path;
import java.util.List;

/**
 * A delivered message.
 *
 * @param signerSha256 of the certificate that signed it; null: unsigned
 * @param test whether service and action are those of the test service; phase4 delivers it all the same
 */
record Received(
        String messageId,
        Party from,
        Party to,
        Service service,
        String action,
        Agreement agreement,
        String conversationId,
        String refTo,
        List<Property> messageProperties,
        List<Payload> payloads,
        boolean signed,
        boolean encrypted,
        String signerSha256,
        boolean test) {

    static boolean isTest(Ebms3CollaborationInfo info) {
        return CAS4.DEFAULT_SERVICE_URL.equals(info.getServiceValue()) && CAS4.DEFAULT_ACTION_URL.equals(info.getAction());
    }

    /** A payload, decrypted and inflated; `file` null: not stored. */
    record Payload(
            Path file,
            long size,
            String sha256,
            String mimeType,
            String charset,
            boolean compressed,
            List<Property> properties,
            String contentId) {}
}
