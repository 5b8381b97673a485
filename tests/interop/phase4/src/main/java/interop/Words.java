package interop;

import com.helger.phase4.crypto.AS4CryptParams;
import com.helger.phase4.crypto.ECryptoAlgorithmCrypt;
import com.helger.phase4.crypto.ECryptoAlgorithmSign;
import com.helger.phase4.crypto.ECryptoAlgorithmSignDigest;
import com.helger.phase4.crypto.ECryptoKeyEncryptionAlgorithm;
import com.helger.phase4.crypto.ECryptoKeyIdentifierType;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.wss4j.common.WSS4JConstants;

/** The words of ehmi-ap's P-Modes for tokens and algorithms, as phase4's. An algorithm's word is the end of its URI. */
final class Words {
    private static final Pattern OAEP = Pattern.compile("rsa-oaep-(sha\\d+)-mgf1(sha\\d+)");
    private static final Pattern OAEP_MGF1P = Pattern.compile("rsa-oaep-mgf1p-(sha\\d+)");
    private static final List<String> DIGESTS =
            List.of(WSS4JConstants.SHA1, WSS4JConstants.SHA256, WSS4JConstants.SHA384, WSS4JConstants.SHA512);
    private static final List<String> MGFS = List.of(
            WSS4JConstants.MGF_SHA1, WSS4JConstants.MGF_SHA256, WSS4JConstants.MGF_SHA384, WSS4JConstants.MGF_SHA512);

    private Words() {}

    /** PKIPath is a BinarySecurityToken too: of the whole chain. */
    static ECryptoKeyIdentifierType token(String word) {
        return switch (word) {
            case "bst", "pkipath" -> ECryptoKeyIdentifierType.BST_DIRECT_REFERENCE;
            case "ski" -> ECryptoKeyIdentifierType.SKI_KEY_IDENTIFIER;
            case "x509-ski" -> ECryptoKeyIdentifierType.X509_SKI_KEY_IDENTIFIER;
            case "issuer-serial" -> ECryptoKeyIdentifierType.ISSUER_SERIAL;
            case "thumbprint" -> ECryptoKeyIdentifierType.THUMBPRINT_IDENTIFIER;
            default -> throw new BadRequest("no token form is " + word);
        };
    }

    static ECryptoAlgorithmSign signature(String word) {
        return find(ECryptoAlgorithmSign.values(), ECryptoAlgorithmSign::getAlgorithmURI, word);
    }

    static ECryptoAlgorithmSignDigest digest(String word) {
        return find(ECryptoAlgorithmSignDigest.values(), ECryptoAlgorithmSignDigest::getAlgorithmURI, word);
    }

    static ECryptoAlgorithmCrypt cipher(String word) {
        return find(ECryptoAlgorithmCrypt.values(), ECryptoAlgorithmCrypt::getAlgorithmURI, word);
    }

    /** Set the key transport. */
    static void keyTransport(AS4CryptParams target, String word) {
        Matcher oaep = OAEP.matcher(word);
        Matcher mgf1p = OAEP_MGF1P.matcher(word);
        if (oaep.matches()) {
            target.setKeyEncAlgorithm(ECryptoKeyEncryptionAlgorithm.RSA_OAEP_XENC11)
                    .setDigestAlgorithm(uri(DIGESTS, oaep.group(1)))
                    .setMGFAlgorithm(uri(MGFS, "mgf1" + oaep.group(2)));
        } else if (mgf1p.matches()) {
            target.setKeyEncAlgorithm(ECryptoKeyEncryptionAlgorithm.RSA_OAEP)
                    .setDigestAlgorithm(uri(DIGESTS, mgf1p.group(1)))
                    .setMGFAlgorithm(WSS4JConstants.MGF_SHA1);
        } else if (word.equals("rsa-1_5")) {
            target.setKeyEncAlgorithm(ECryptoKeyEncryptionAlgorithm.RSA15);
        } else {
            throw new BadRequest("no key transport is " + word);
        }
    }

    private static String uri(List<String> uris, String word) {
        return find(uris.toArray(String[]::new), Function.identity(), word);
    }

    private static <T> T find(T[] rows, Function<T, String> uri, String word) {
        return Arrays.stream(rows)
                .filter(row -> uri.apply(row).endsWith("#" + word))
                .findFirst()
                .orElseThrow(() -> new BadRequest("phase4 has no algorithm " + word));
    }
}
