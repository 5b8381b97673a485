package interop;

import com.sun.net.httpserver.HttpExchange;
import org.hl7.fhir.r4.model.AuditEvent;

/** Who may report what. */
interface Gate {
  /** Lets everybody report everything. */
  Gate OPEN = exchange -> event -> {};

  /** Judges who asks, before anything that they sent is read. */
  Permit admit(HttpExchange exchange) throws Refused;

  /** What one that was admitted may report. */
  interface Permit {
    void check(AuditEvent event) throws Refused;
  }
}
