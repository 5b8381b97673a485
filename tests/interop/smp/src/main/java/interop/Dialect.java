package interop;

import java.net.URI;

/** One of the library's clients. */
interface Dialect {
    Told group(URI smp, Ask ask) throws Exception;

    Told metadata(URI smp, Ask ask) throws Exception;

    /** The endpoint that the library selects, if any. */
    Told endpoint(URI smp, Ask ask) throws Exception;
}
