/* What a kernel says to its keeper, on any channel: the spool holds whole JSON events all the same.  Input: messages,
 * a line each: channel (0 shell … 4), type, parent id, content, parted by spaces.  Tests. */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "keep/keeper.h"

enum { ANSWERS_WANTED = 3, EVENT_SIZE = 1 << 20 };

/* A keeper with two cells, the second one running, and three questions open. */
static struct keeper *talking(void)
{
    struct su_err err;
    struct keeper *keeper = su_alloc(sizeof *keeper);
    *keeper = (struct keeper){.spool = {.fd = memfd_create("spool", MFD_CLOEXEC), .tail = SU_BUF(1 << 16)}, .event = SU_BUF(EVENT_SIZE),
                              .text = SU_BUF(EVENT_SIZE), .phase = PHASE_READY, .folder_fd = -1, .runtime_fd = -1, .program_fd = -1,
                              .listener = -1, .limits = {.output_bytes = 1 << 16}, .session = "s"};
    link_init(&keeper->link);
    process_init(&keeper->process);
    wire_key_make(&keeper->key);
    SU_AUTO_JSON json_t *cells = json_loads("[{\"cell\":\"a\",\"code\":\"\"},{\"cell\":\"b\",\"code\":\"\",\"stdin\":true}]", 0, NULL);
    size_t index;
    FUZZ_HOLDS(cells_add(&keeper->cells, cells, &err));
    for (int i = 0; i < 2; i++)
        cells_take(&keeper->cells, &index);
    keeper->running = (struct running){.is_active = true, .index = index, .execution_count = -1};
    for (int i = 0; i < ANSWERS_WANTED; i++) {
        SU_AUTO_JSON json_t *order = json_loads("{\"id\":\"q\",\"type\":\"complete_request\",\"content\":{}}", 0, NULL);
        questions_ask(keeper, order, &err);
    }
    return keeper;
}

static void hear(struct keeper *keeper, struct su_str line)
{
    struct su_str word[3], rest = line;
    for (int i = 0; i < 3; i++)
        if (!su_str_cut(rest, ' ', &word[i], &rest))
            return;
    if (!word[0].len || word[0].ptr[0] < '0' || word[0].ptr[0] > '4')
        return;
    SU_AUTO_BUF struct su_buf header = SU_BUF(1 << 16), parent = SU_BUF(1 << 16);
    su_buf_addf(&header, "{\"msg_type\":\"%.*s\"}", (int)word[1].len, word[1].ptr);
    su_buf_addf(&parent, "{\"msg_id\":\"%.*s\"}", (int)word[2].len, word[2].ptr);
    char hex[WIRE_HEX];
    struct wire_message message = {.part = {su_buf_str(&header), su_buf_str(&parent), SU_STR("{}"), rest}};
    wire_sign(&keeper->key, &message, hex);
    struct frames frames = {.count = 6, .frame = {SU_STR("<IDS|MSG>"), {hex, WIRE_HEX - 1}, message.part[0], message.part[1], message.part[2], rest}};
    conversation_hear(keeper, (enum channel)(word[0].ptr[0] - '0'), &frames);
}

/* Whole events, numbered from 1 on, and no more of them than there is room for. */
static void check(struct keeper *keeper)
{
    off_t at = 0;
    int answers = 0;
    for (uint64_t number = 1; number <= keeper->spool.count; number++) {
        uint32_t length = 0;
        FUZZ_HOLDS(pread(keeper->spool.fd, &length, sizeof length, at) == sizeof length && length < EVENT_SIZE);
        SU_AUTO_FREE char *text = su_alloc(length + 1);
        FUZZ_HOLDS(pread(keeper->spool.fd, text, length, at + (off_t)sizeof length) == (ssize_t)length);
        SU_AUTO_JSON json_t *event = json_loadb(text, length, 0, NULL);
        FUZZ_HOLDS(event && su_json_int(event, "seq", 0) == (int64_t)number && su_utf8_valid((struct su_str){text, length}));
        answers += strcmp(su_json_string(event, "event", ""), "answer") == 0;
        at += (off_t)sizeof length + length;
    }
    FUZZ_HOLDS(at == keeper->spool.size && answers <= ANSWERS_WANTED);
    uint64_t middle = keeper->spool.count / 2;
    off_t then = spool_find(&keeper->spool, middle + 1);
    spool_forget(&keeper->spool, middle);
    FUZZ_HOLDS(spool_find(&keeper->spool, middle + 1) == then && spool_find(&keeper->spool, 1) == then && spool_end(&keeper->spool) == at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keeper *keeper = talking();
    struct su_str rest = fuzz_text(data, size), line;
    for (bool more = true; more;) {
        more = su_str_cut(rest, '\n', &line, &rest);
        hear(keeper, line);
    }
    check(keeper);
    keeper_close(keeper);
    free(keeper);
    return 0;
}
