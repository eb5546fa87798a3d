/* GET /v1/streams/{name}/columns: see columns.h.  Layer api. */
#include "columns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "aggregate/stream.h"
#include "handler.h"
#include "limits.h"
#include "routes.h"

/* Small blocks of a stream's head are merged up to a table's usual size. */
enum { GROUP_ROWS = 128 * 1024, GROUP_PIECES = 1024 };

void columns_done(struct columns *columns)
{
    su_close_fd(&columns->fd);
    free(columns->next);
    free(columns->damaged);
    *columns = (struct columns){.fd = -1};
}

/* --- the descriptor --------------------------------------------------------- */

static bool memory_new(int *ret_fd, struct su_err *err)
{
    *ret_fd = memfd_create("columns", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return *ret_fd >= 0 || su_fail_errno(err, errno, "can't get memory for columns");
}

static bool memory_seal(int fd, struct su_err *err)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0 ||
           su_fail_errno(err, errno, "can't seal columns");
}

bool columns_seal(const void *data, size_t size, int *ret_fd, struct su_err *err)
{
    SU_AUTO_FD int fd = -1;
    if (!memory_new(&fd, err) || !su_write_all(fd, data, size, err) || !memory_seal(fd, err))
        return false;
    *ret_fd = fd;
    fd = -1;
    return true;
}

bool columns_seal_file(int file, uint64_t offset, uint64_t size, int *ret_fd, struct su_err *err)
{
    SU_AUTO_FD int fd = -1;
    off_t from = (off_t)offset;
    if (!memory_new(&fd, err))
        return false;
    while ((uint64_t)from < offset + size) {
        ssize_t count = sendfile(fd, file, &from, offset + size - (uint64_t)from);
        if (count <= 0)
            return su_fail_errno(err, count ? errno : EIO, "can't copy columns");
    }
    if (!memory_seal(fd, err))
        return false;
    *ret_fd = fd;
    fd = -1;
    return true;
}

/* --- gathering ---------------------------------------------------------------- */

struct gathering {
    struct log_reader *reader;
    struct log_range range;
    uint64_t max, bytes_max;
    int fd;
    uint64_t size, rows;            /* written; looked at */
    uint64_t next;                  /* the first offset that was not looked at */
    struct log_piece pieces[GROUP_PIECES];
    struct block_slice slices[GROUP_PIECES];
    size_t count;
    uint32_t group_rows;
    struct su_buf out, damaged;
};

static void gathering_done(struct gathering *g)
{
    log_reader_free(g->reader);
    su_close_fd(&g->fd);
    su_buf_done(&g->out);
    su_buf_done(&g->damaged);
    free(g);
}
static void gathering_done_pointer(struct gathering **g) { gathering_done(*g); }

/* What was gathered becomes a block. */
static bool flush(struct gathering *g, struct su_err *err)
{
    uint64_t rows;
    su_buf_clear(&g->out);
    if (g->count &&
        (!block_gather(g->slices, g->count, BLOCK_WITHOUT_BODIES | BLOCK_WITHOUT_FLAGGED, g->range.time_from_us, g->range.time_to_us,
                       &g->out, &rows, err) ||
         !su_write_all(g->fd, g->out.ptr, g->out.len, err)))
        return false;
    g->size += g->out.len;
    for (size_t i = 0; i < g->count; i++)
        log_read_release(g->reader, &g->pieces[i]);
    g->count = 0;
    g->group_rows = 0;
    return true;
}

static void add_piece(struct gathering *g, const struct log_piece *piece)
{
    uint32_t rows = piece->to - piece->from;
    uint64_t left = g->max - g->rows;
    if (rows > left)
        rows = (uint32_t)left;
    g->slices[g->count] = (struct block_slice){piece->block, piece->from, piece->from + rows};
    g->pieces[g->count++] = *piece;
    g->rows += rows;
    g->group_rows += rows;
    g->next = piece->block->first + piece->from + rows;
}

/* One call of the reader.  *ret_more false: the end. */
static bool step(struct gathering *g, bool *ret_more, struct su_err *err)
{
    struct log_piece piece = {0};
    enum log_next next = log_read_next(g->reader, &piece, err);
    *ret_more = next != LOG_END;
    if (next == LOG_ERROR)
        return false;
    if (next == LOG_DAMAGED) {
        su_buf_addf(&g->damaged, "%s%" PRIu64 "-%" PRIu64, g->damaged.len ? "," : "", piece.damaged_from, piece.damaged_to);
        g->next = piece.damaged_to;
    }
    if (next == LOG_BLOCK)
        add_piece(g, &piece);
    return true;
}

static bool gather(struct gathering *g, struct su_err *err)
{
    bool has_more = true;
    while (has_more && g->rows < g->max && g->size < g->bytes_max) {
        if (!step(g, &has_more, err))
            return false;
        if ((g->count == GROUP_PIECES || g->group_rows >= GROUP_ROWS) && !flush(g, err))
            return false;
    }
    if (!has_more)
        g->next = g->range.to;
    return flush(g, err) && memory_seal(g->fd, err);
}

/* --- a stream ------------------------------------------------------------------ */

static bool range_of(struct streams *streams, struct stream *stream, struct sql *db, const struct columns_query *query,
                     struct log_range *ret, struct su_err *err)
{
    uint64_t end;
    int64_t high_us;
    if (!log_end(db, stream->log, &end, &high_us, err) ||
        !stream_range(streams, stream, db, query->from, query->to, query->last, ret, err))
        return false;
    if (ret->to > end)
        ret->to = end;
    if (ret->time_from_us < query->time_from_us)
        ret->time_from_us = query->time_from_us;
    if (ret->time_to_us > query->time_to_us)
        ret->time_to_us = query->time_to_us;
    return true;
}

static char *rest_of(const struct gathering *g, const struct columns_query *query)
{
    if (g->next >= g->range.to)
        return NULL;
    SU_AUTO_BUF struct su_buf text = SU_BUF(256);
    su_buf_addf(&text, "from=%" PRIu64 "&to=%" PRIu64, g->next, g->range.to);
    if (g->range.time_from_us != INT64_MIN)
        su_buf_addf(&text, "&time_from=%" PRId64, g->range.time_from_us);
    if (g->range.time_to_us != INT64_MAX)
        su_buf_addf(&text, "&time_to=%" PRId64, g->range.time_to_us);
    if (query->max)
        su_buf_addf(&text, "&max=%" PRIu64, query->max);
    return su_strndup(text.ptr, text.len);
}

static void report_read(const struct services *services, const struct identity *who, const char *name, uint64_t from, uint64_t to)
{
    if (who->run[0] == '\0' || from >= to)
        return;
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s, s:I, s:I}", "tenant", who->tenant, "run", who->run, "stream", name,
                                            "from", (json_int_t)from, "to", (json_int_t)to);
    su_bus_publish(services->bus, "run-reads", "stream.read", detail);
}

bool columns_of_stream(const struct services *services, const struct identity *who, const char *name,
                       const struct columns_query *query, struct columns *ret, struct su_err *err)
{
    if (!services->streams)
        return su_fail(err, SU_UNAVAILABLE, "this server keeps no streams");
    STREAM_AUTO struct stream *stream = NULL;
    struct gathering *g SU_CLEANUP(gathering_done_pointer) = su_alloc(sizeof *g);
    *g = (struct gathering){.fd = -1, .max = query->max ? query->max : UINT64_MAX, .bytes_max = services->limits->frame_bytes,
                            .out = SU_BUF(SIZE_MAX / 2), .damaged = SU_BUF(4096)};
    STORE_READ(services->store, db);
    if (!stream_get(services->streams, who->tenant, name, &stream, err) ||
        !range_of(services->streams, stream, db, query, &g->range, err) ||
        !log_read(services->logs, db, stream->log, &g->range, &g->reader, err) || !memory_new(&g->fd, err))
        return false;
    g->next = g->range.from;
    if (!gather(g, err))
        return false;
    report_read(services, who, name, g->range.from, g->next < g->range.to ? g->next : g->range.to);
    *ret = (struct columns){.fd = g->fd, .size = g->size, .next = rest_of(g, query),
                            .damaged = g->damaged.len ? su_strndup(g->damaged.ptr, g->damaged.len) : NULL};
    g->fd = -1;
    return true;
}

/* --- route ----------------------------------------------------------------------- */

static bool read_query(const struct request *request, struct columns_query *ret, struct su_err *err)
{
    int64_t max = 0;
    *ret = (struct columns_query)COLUMNS_ALL;
    ret->from = request_query(request, "from");
    ret->to = request_query(request, "to");
    ret->last = request_query(request, "last");
    if (!request_query_int(request, "time_from", INT64_MIN, INT64_MAX, &ret->time_from_us, err) ||
        !request_query_int(request, "time_to", INT64_MIN, INT64_MAX, &ret->time_to_us, err) ||
        !request_query_int(request, "max", 1, INT64_MAX, &max, err))
        return false;
    ret->max = (uint64_t)max;
    return true;
}

static void get_columns(struct request *request, struct reply *reply)
{
    struct columns_query query;
    COLUMNS_AUTO struct columns found = {.fd = -1};
    struct su_err err;
    if (!read_query(request, &query, &err) ||
        !columns_of_stream(request_services(request), request_identity(request), request_param(request, "name"), &query, &found, &err)) {
        reply_error(reply, &err);
        return;
    }
    if (found.next)
        reply_header(reply, "X-Suricate-Next", "%s", found.next);
    if (found.damaged)
        reply_header(reply, "X-Suricate-Damaged", "%s", found.damaged);
    reply_file(request, reply, found.fd, found.size, COLUMNS_TYPE, NULL);
    found.fd = -1;
}

static const struct query_field columns_query[] = {
    {"from", QUERY_TEXT, "Where to begin: an offset, earliest, latest, an event time, or a duration before the newest"},
    {"to", QUERY_TEXT, "Where to end (exclusive), said the same way"},
    {"last", QUERY_TEXT, "Instead: a duration before the largest event time"},
    {"time_from", QUERY_INT, "Only event times from here on, in microseconds since 1970"},
    {"time_to", QUERY_INT, "Only event times before this, in microseconds since 1970"},
    {"max", QUERY_INT, "At most so many messages; X-Suricate-Next is then the query for the rest"},
    {NULL, QUERY_TEXT, NULL}};

const struct route columns_routes[] = {
    {.method = "GET", .path = "/v1/streams/{name*}/columns", .scope = SCOPE_STREAMS_READ, .handle = get_columns, .flags = ROUTE_RUN_TOKEN,
     .query = columns_query, .summary = "Read messages as columns", .response = "Blocks of columns, one after the other, without bodies",
     .response_type = COLUMNS_TYPE},
    ROUTE_END};
