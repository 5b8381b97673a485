package interop;

import com.fasterxml.jackson.core.JacksonException;
import com.helger.phase4.mgr.MetaAS4Manager;
import com.sun.management.OperatingSystemMXBean;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.NoSuchFileException;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** What a test tells this access point to do, and asks of it: HTTP and JSON, see README.md. */
final class Control extends HttpServlet {
    private static final long serialVersionUID = 1L;

    /** Counters since the start; `heapUsed` in bytes, after no particular collection; `cpuMs` of the whole process. */
    record Stats(long received, long sent, long heapUsed, long cpuMs, long uptimeMs) {}

    private final transient Inbox inbox;
    private final transient Sender sender;
    private final transient Verifier verifier;

    Control(Inbox inbox, Sender sender, Verifier verifier) {
        this.inbox = inbox;
        this.sender = sender;
        this.verifier = verifier;
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        int status = HttpServletResponse.SC_OK;
        Object answer;
        try {
            answer = answer(request);
        } catch (BadRequest e) {
            status = HttpServletResponse.SC_BAD_REQUEST;
            answer = Map.of("error", e.getMessage());
        } catch (NoSuchFileException e) {
            status = HttpServletResponse.SC_BAD_REQUEST;
            answer = Map.of("error", "no file is at " + e.getMessage());
        } catch (JacksonException e) {
            status = HttpServletResponse.SC_BAD_REQUEST;
            answer = Map.of("error", e.getCause() instanceof BadRequest why ? why.getMessage() : e.getOriginalMessage());
        } catch (Exception | OutOfMemoryError e) {
            status = HttpServletResponse.SC_INTERNAL_SERVER_ERROR;
            answer = Map.of("error", e.toString());
        }
        response.setStatus(status);
        response.setContentType("application/json");
        response.getOutputStream().write(Json.MAPPER.writeValueAsBytes(answer));
    }

    private Object answer(HttpServletRequest request) throws Exception {
        String what = request.getMethod() + " " + request.getServletPath();
        return switch (what) {
            case "POST /send" -> sender.send(read(request, Send.class));
            case "POST /bench" -> Bench.run(sender, read(request, Bench.Order.class));
            case "GET /received" -> inbox.find(request.getParameter("message_id"));
            case "POST /accept" -> {
                inbox.accept(read(request, Inbox.Accept.class));
                yield Map.of();
            }
            case "POST /verify" -> verifier.verify(
                    request.getParameter("decrypt"),
                    request.getContentType(),
                    request.getInputStream().readAllBytes());
            case "GET /stats" -> stats();
            case "POST /forget" -> {
                MetaAS4Manager.getIncomingDuplicateMgr().clearCache();
                inbox.forget();
                yield Map.of();
            }
            default -> throw new BadRequest("nothing is at " + what);
        };
    }

    private static <T> T read(HttpServletRequest request, Class<T> type) throws IOException {
        return Json.MAPPER.readValue(request.getInputStream(), type);
    }

    private Stats stats() {
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        return new Stats(
                inbox.count(),
                sender.count(),
                ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed(),
                TimeUnit.NANOSECONDS.toMillis(system.getProcessCpuTime()),
                ManagementFactory.getRuntimeMXBean().getUptime());
    }
}
