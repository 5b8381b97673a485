package interop;

import interop.Ebms.Agreement;
import interop.Ebms.Party;
import interop.Ebms.Property;
import interop.Ebms.Service;
import java.nio.file.Path;
import java.util.List;

/**
 * What is to be sent, to whom and how: the body of POST /send.
 *
 * @param recipient PEM file of the certificate that is encrypted for
 * @param messageId null: a fresh one of phase4's
 * @param conversationId null: a fresh one of phase4's
 * @param sign null: not signed
 * @param encrypt null: not encrypted
 * @param timeoutMs how long the peer may be silent; 0: a minute
 * @param dump whether request and answer are kept as files
 */
record Send(
        String url,
        String key,
        Path recipient,
        String messageId,
        Party from,
        Party to,
        Agreement agreement,
        Service service,
        String action,
        String conversationId,
        String refTo,
        List<Property> messageProperties,
        List<Payload> payloads,
        Sign sign,
        Encrypt encrypt,
        Client tls,
        long timeoutMs,
        int retries,
        boolean dump) {

    Send {
        if (url == null || from == null || to == null || service == null || action == null) {
            throw new BadRequest("url, from, to, service and action are needed");
        }
        if (encrypt != null && recipient == null) {
            throw new BadRequest("encrypt needs recipient");
        }
        key = key == null ? "main" : key;
        messageProperties = messageProperties == null ? List.of() : messageProperties;
        payloads = payloads == null ? List.of() : payloads;
        timeoutMs = timeoutMs == 0 ? 60_000 : timeoutMs;
    }

    /** One payload; `contentId` null: a fresh one of phase4's. */
    record Payload(
            Path file, String mimeType, String charset, boolean compress, String contentId, List<Property> properties) {
        Payload {
            if (file == null || mimeType == null) {
                throw new BadRequest("a payload needs file and mime_type");
            }
            properties = properties == null ? List.of() : properties;
        }
    }

    /** How it is signed. */
    record Sign(String token, String algorithm, String digest) {
        Sign {
            token = token == null ? "bst" : token;
            algorithm = algorithm == null ? "rsa-sha256" : algorithm;
            digest = digest == null ? "sha256" : digest;
            if (token.equals("x509-ski")) {
                throw new BadRequest("WSS4J cannot name a signer by x509-ski");
            }
        }
    }

    /** How it is encrypted. */
    record Encrypt(String token, String cipher, String keyTransport) {
        Encrypt {
            token = token == null ? "bst" : token;
            cipher = cipher == null ? "aes128-gcm" : cipher;
            keyTransport = keyTransport == null ? "rsa-oaep-sha256-mgf1sha256" : keyTransport;
            if (token.equals("pkipath")) {
                throw new BadRequest("WSS4J cannot name a recipient by PKIPath");
            }
        }
    }

    /** The client's side of TLS: a key by name (null: none), and PEM files of whom it trusts. */
    record Client(String key, List<Path> trust) {
        Client {
            trust = trust == null ? List.of() : trust;
        }
    }
}
