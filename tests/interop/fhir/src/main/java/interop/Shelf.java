package interop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Where events are kept that were taken: a line each, in the order in which they came. */
interface Shelf {
  /** Keeps nothing. */
  Shelf NONE = event -> 1;

  /** The number of an event, durable before it is returned. */
  long put(String event) throws IOException;

  static Shelf in(Path file) {
    return event -> {
      Files.writeString(
          file,
          event.replaceAll("\\s*\\R\\s*", " ") + "\n",
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND,
          StandardOpenOption.DSYNC);
      try (var lines = Files.lines(file)) {
        return lines.count();
      }
    };
  }
}
