package interop;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** Sends the same message many times, each with an id of its own, some at a time. */
final class Bench {

    /** The body of POST /bench. */
    record Order(Send send, int count, int concurrency) {
        Order {
            if (send == null || send.messageId() != null || count < 1 || concurrency < 1) {
                throw new BadRequest("bench needs send (without message_id), count and concurrency");
            }
        }
    }

    /** `ok` counts receipts that prove delivery; `firstFailure` tells of the first message without one. */
    record Outcome(double seconds, int ok, int failed, Sent firstFailure) {}

    private Bench() {}

    static Outcome run(Sender sender, Order order) throws GeneralSecurityException, IOException, InterruptedException {
        Sender.Prepared message = sender.prepare(order.send(), true);
        AtomicInteger left = new AtomicInteger(order.count());
        AtomicInteger ok = new AtomicInteger();
        AtomicReference<Sent> firstFailure = new AtomicReference<>();
        Runnable lane = () -> {
            while (left.getAndDecrement() > 0) {
                Sent sent = message.send();
                if (sent.proven()) {
                    ok.incrementAndGet();
                } else {
                    firstFailure.compareAndSet(null, sent);
                }
            }
        };
        long start = System.nanoTime();
        runAll(lane, order.concurrency());
        double seconds = (System.nanoTime() - start) / 1e9;
        return new Outcome(seconds, ok.get(), order.count() - ok.get(), firstFailure.get());
    }

    private static void runAll(Runnable lane, int concurrency) throws InterruptedException {
        ExecutorService lanes = Executors.newFixedThreadPool(concurrency);
        try {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < concurrency; i++) {
                running.add(lanes.submit(lane));
            }
            for (Future<?> one : running) {
                one.get();
            }
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        } finally {
            lanes.shutdownNow();
        }
    }
}
