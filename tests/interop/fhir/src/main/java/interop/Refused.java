package interop;

import java.util.Map;

/** An answer in place of 201: `code` is of FHIR's issue types. */
final class Refused extends Exception {
  private static final long serialVersionUID = 1;
  final int status;
  final String code;
  final transient Map<String, String> headers;

  Refused(int status, String code, String what, Map<String, String> headers) {
    super(what);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}
