package interop;

import com.helger.phase4.ebms3header.Ebms3Error;
import java.nio.file.Path;
import java.util.List;

/**
 * What became of a message: the answer of POST /send.
 *
 * @param result phase4's verdict. SUCCESS says only that some receipt came
 * @param httpStatus null: no answer
 * @param exception what phase4 threw, with its causes; null: nothing
 */
record Sent(
        String result,
        String messageId,
        Integer httpStatus,
        Receipt receipt,
        List<Failure> errors,
        String exception,
        double seconds,
        Path requestFile,
        Path responseFile) {

    /** Whether the receipt proves delivery, by all that phase4 can check. */
    boolean proven() {
        return result.equals("SUCCESS") && receipt.signatureVerified() && receipt.references().equals("equal");
    }

    /** The receipt; `references` is what phase4's comparison with the sent ones said: equal, different or absent. */
    record Receipt(
            String messageId,
            String refTo,
            boolean signed,
            boolean signatureVerified,
            String signerSha256,
            String references) {}

    /** An eb:Error. */
    record Failure(
            String code, String severity, String shortDescription, String description, String detail, String refTo) {
        static Failure of(Ebms3Error error) {
            return new Failure(
                    error.getErrorCode(),
                    error.getSeverity(),
                    error.getShortDescription(),
                    error.getDescriptionValue(),
                    error.getErrorDetail(),
                    error.getRefToMessageInError());
        }
    }
}
