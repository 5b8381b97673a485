package interop;

/** The caller's fault: answered with 400 and this text. */
final class BadRequest extends RuntimeException {
    private static final long serialVersionUID = 1L;

    BadRequest(String text) {
        super(text);
    }
}
