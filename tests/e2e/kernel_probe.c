/* kernel-probe: the compute layer by itself, for tests.  One thread, one loop.
 *
 *   kernel-probe DATA SHARE ENVIRONMENT WARM [unsafe]
 *
 * Commands are JSON lines on standard input, answers and keepers' events JSON lines on standard output:
 *   {"do":"start","id":ID,"tenant":T,"limits":{…},"network":bool,"token":T}   {"started":ID} or {"error":…,"code":…,"hint":…}
 *   {"do":"attach","id":ID,"from":N}     {"attached":ID}, then {"id":ID, …event} each; an answer's own id as "question"
 *   {"do":"send","id":ID,"message":{…}}   {"do":"detach","id":ID}   {"do":"forget","id":ID}
 *   {"do":"check"}   {"do":"status"}   {"do":"list"} */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json.h"
#include "compute/kernel.h"

enum { ATTACHED_MAX = 64, LINE_MAX_BYTES = 4 * 1024 * 1024 };

struct attached { char id[KERNEL_ID_MAX + 1]; struct keeper *keeper; };
struct probe { struct compute *compute; struct attached list[ATTACHED_MAX]; size_t count; };

static void say(json_t *message) {
    char *text = su_json_text(message);
    puts(text);
    fflush(stdout);
    free(text);
    json_decref(message);
}

static void say_error(const struct su_err *err) {
    say(json_pack("{s:s, s:s, s:s}", "error", err->message, "code", su_code_name(err->code), "hint", err->hint));
}

static struct attached *find(struct probe *probe, const char *id) {
    for (size_t i = 0; i < probe->count; i++)
        if (strcmp(probe->list[i].id, id) == 0) return &probe->list[i];
    return NULL;
}

static void detach(struct probe *probe, struct attached *one) {
    keeper_close(one->keeper);
    *one = probe->list[--probe->count];
}

static void start(struct probe *probe, const json_t *command) {
    struct su_err err = {0};
    const json_t *limits = json_object_get(command, "limits");
    struct kernel_spec spec = {.id = su_json_string(command, "id", ""),
                               .tenant = su_json_string(command, "tenant", "main"),
                               .network = su_json_bool(command, "network", false),
                               .token = su_json_string(command, "token", "none"),
                               .label = "probe",
                               .limits = {.memory_bytes = (uint64_t)su_json_int(limits, "memory_bytes", 0),
                                          .scratch_bytes = (uint64_t)su_json_int(limits, "scratch_bytes", 0),
                                          .output_bytes = (uint64_t)su_json_int(limits, "output_bytes", 0),
                                          .processes = (uint32_t)su_json_int(limits, "processes", 0),
                                          .time_s = (uint32_t)su_json_int(limits, "time_s", 0)}};
    if (compute_kernel_start(probe->compute, &spec, &err)) say(json_pack("{s:s}", "started", spec.id));
    else say_error(&err);
}

static void attach(struct probe *probe, const json_t *command) {
    struct su_err err = {0};
    struct attached *one = &probe->list[probe->count];
    const char *id = su_json_string(command, "id", "");
    snprintf(one->id, sizeof one->id, "%s", id);
    if (!keeper_connect(probe->compute, id, (uint64_t)su_json_int(command, "from", 1), &one->keeper, &err)) {
        say_error(&err);
        return;
    }
    probe->count++;
    say(json_pack("{s:s}", "attached", id));
}

static void obey(struct probe *probe, const json_t *command) {
    struct su_err err = {0};
    const char *what = su_json_string(command, "do", "");
    struct attached *one = find(probe, su_json_string(command, "id", ""));
    if (strcmp(what, "start") == 0) start(probe, command);
    else if (strcmp(what, "attach") == 0) attach(probe, command);
    else if (strcmp(what, "send") == 0 && one) {
        if (!keeper_send(one->keeper, json_object_get(command, "message"), &err)) say_error(&err);
    } else if (strcmp(what, "detach") == 0) {
        if (one) detach(probe, one);
    }
    else if (strcmp(what, "forget") == 0) {
        compute_kernel_forget(probe->compute, su_json_string(command, "id", ""));
        say(json_pack("{s:s}", "forgotten", su_json_string(command, "id", "")));
    } else if (strcmp(what, "check") == 0) {
        if (compute_check(probe->compute, &err)) say(json_pack("{s:b}", "sound", 1));
        else say_error(&err);
    } else if (strcmp(what, "status") == 0) say(compute_status(probe->compute));
    else if (strcmp(what, "list") == 0) say(json_pack("{s:o}", "kernels", compute_kernel_list(probe->compute)));
    else say(json_pack("{s:s}", "error", "unknown command"));
}

static void read_events(struct probe *probe, struct attached *one) {
    struct su_err err = {0};
    for (;;) {
        json_t *event = NULL;
        if (!keeper_recv(one->keeper, &event, &err)) {
            say(json_pack("{s:s, s:s}", "id", one->id, "lost", err.message));
            detach(probe, one);
            return;
        }
        if (!event) return;
        json_t *question = json_object_get(event, "id");
        if (question) json_object_set(event, "question", question);
        json_object_set_new(event, "id", json_string(one->id));
        say(event);
    }
}

static bool read_commands(struct probe *probe, struct su_buf *line) {
    char bytes[65536];
    ssize_t got = read(0, bytes, sizeof bytes);
    if (got <= 0) return false;
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != '\n') {
            su_buf_addc(line, bytes[i]);
            continue;
        }
        struct su_err err = {0};
        json_t *command = NULL;
        if (su_json_parse(su_buf_str(line), "command", &command, &err)) obey(probe, command);
        else say_error(&err);
        json_decref(command);
        su_buf_clear(line);
    }
    return true;
}

static void loop(struct probe *probe) {
    struct su_buf line = SU_BUF(LINE_MAX_BYTES);
    for (bool is_open = true; is_open;) {
        struct pollfd wait[ATTACHED_MAX + 1] = {{.fd = 0, .events = POLLIN}};
        size_t count = probe->count;
        for (size_t i = 0; i < count; i++)
            wait[i + 1] =
                (struct pollfd){.fd = keeper_fd(probe->list[i].keeper),
                                .events = (short)(POLLIN | (keeper_pending(probe->list[i].keeper) ? POLLOUT : 0))};
        poll(wait, count + 1, -1);
        struct su_err ignored;
        for (size_t i = count; i-- > 0;) {
            if (wait[i + 1].revents & POLLOUT) keeper_flush(probe->list[i].keeper, &ignored);
            if (wait[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) read_events(probe, &probe->list[i]);
        }
        if (wait[0].revents) is_open = read_commands(probe, &line);
    }
    su_buf_done(&line);
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    struct su_err err = {0};
    struct probe *probe = su_alloc(sizeof *probe);
    struct compute_config config = {.data_dir = argv[1], .share_dir = argv[2], .environment_dir = argv[3],
        .warm = (uint32_t)strtoul(argv[4], NULL, 10), .unsafe_no_sandbox = argc > 5};
    int64_t from = su_mono_ms();
    if (!compute_open(&config, &probe->compute, &err)) {
        say_error(&err);
        return 1;
    }
    if (config.warm) compute_warm(probe->compute, "main");
    say(json_pack("{s:s, s:I}", "open", compute_api_dir(probe->compute), "took_ms", (json_int_t)(su_mono_ms() - from)));
    loop(probe);
    while (probe->count) detach(probe, &probe->list[0]);
    compute_close(probe->compute);
    free(probe);
    return 0;
}
