/* A progress line on a terminal.  Layer cli; main thread. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/output.h"

enum { PATIENCE_MS = 1000, PAUSE_MS = 100, BAR_CELLS = 24 };

void progress_begin(struct progress *progress, const char *label, bool is_quiet)
{
    *progress = (struct progress){.label = label, .began_ms = su_mono_ms(),
                                  .is_off = is_quiet || !isatty(STDERR_FILENO)};
}

static bool is_due(struct progress *progress)
{
    int64_t now = su_mono_ms();
    if (progress->is_off || now - progress->began_ms < PATIENCE_MS || now - progress->drawn_ms < PAUSE_MS)
        return false;
    progress->drawn_ms = now;
    return true;
}

static int terminal_width(void)
{
    struct winsize size = {.ws_col = 0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

static void draw(struct progress *progress, double fraction, const char *text)
{
    char bar[BAR_CELLS + 1];
    int filled = fraction < 0 ? 0 : (int)(fraction * BAR_CELLS + 0.5);
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)(filled > BAR_CELLS ? BAR_CELLS : filled));
    bar[BAR_CELLS] = '\0';
    SU_AUTO_FREE char *line = fraction < 0 ? su_format("%s  %s", progress->label, text)
                                           : su_format("%s  [%s] %3.0f%%  %s", progress->label, bar, 100 * fraction, text);
    fputs("\r\033[K", stderr);
    line[strnlen(line, (size_t)terminal_width() - 1)] = '\0';
    output_text(stderr, line);
    fflush(stderr);
    progress->is_drawn = true;
}

void progress_bytes(struct progress *progress, uint64_t done, uint64_t total)
{
    if (!is_due(progress))
        return;
    char moved[OUTPUT_TEXT], rate[OUTPUT_TEXT], left[OUTPUT_TEXT] = "";
    double seconds = (double)(su_mono_ms() - progress->began_ms) / 1000;
    double speed = (double)done / seconds;
    if (total > done && speed > 0)
        output_duration((double)(total - done) / speed, left);
    SU_AUTO_FREE char *text = su_format("%s at %s/s%s%s", output_size(done, moved), output_size((uint64_t)speed, rate),
                                        *left ? ", still " : "", left);
    draw(progress, total ? (double)done / (double)total : -1, text);
}

void progress_fraction(struct progress *progress, double fraction, const char *text)
{
    if (is_due(progress))
        draw(progress, fraction, text);
}

void progress_clear(struct progress *progress)
{
    if (progress->is_drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    progress->is_drawn = false;
}
