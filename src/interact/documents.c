/* Open notebooks: the service, its list and its thread.  Layer interact; see documents.h.
 *
 * Locks: the list's, after it one of each document; no commit is waited for with either, but for the row that names a kernel
 * before it starts.  A document's `order` is taken before its lock and held over commits.  The thread "documents" waits in
 * epoll for keepers and for what is due. */
#include "documents_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/percent.h"

enum { EVENTS_AT_ONCE = 32, TURN_MS = 1000 };

/* ---- deltas ---- */

static void drop_oldest(struct open_document *open)
{
    struct delta *delta = &open->ring[open->oldest++ % RING_DELTAS];
    open->ring_bytes -= delta->len;
    free(delta->text);
    *delta = (struct delta){0};
}

void document_tell(struct open_document *open, json_t *delta)
{
    if (!delta)
        return;
    document_flush(open, 0);
    json_object_set_new(delta, "seq", json_integer((json_int_t)open->last + 1));
    char *text = su_json_text(delta);
    json_decref(delta);
    if (open->last + 1 - open->oldest >= RING_DELTAS)
        drop_oldest(open);
    open->last++;
    open->ring[open->last % RING_DELTAS] = (struct delta){text, strlen(text)};
    open->ring_bytes += strlen(text);
    while (open->ring_bytes > RING_BYTES && open->oldest < open->last)
        drop_oldest(open);
}

void document_fire(struct documents *documents, struct open_document *open) { su_bus_publish(documents->bus, open->topic, "deltas", NULL); }

void documents_wake(struct documents *documents)
{
    uint64_t one = 1;
    if (write(documents->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        su_log(SU_LOG_ERROR, "documents.wake", su_kv_int("errno", errno));
}

void document_changed(struct open_document *open)
{
    open->changed_ms = su_mono_ms();
    if (!open->is_changed)
        open->first_change_ms = open->changed_ms;
    open->is_changed = true;
}

json_t *document_kernel_json(const struct open_document *open)
{
    static const char *const names[] = {"none", "starting", "idle", "busy", "restarting", "dead"};
    char started[SU_TIME_TEXT];
    return json_pack("{s:s, s:o, s:o, s:I, s:o, s:I}", "state", names[open->kernel_state], "detail", su_json_text_or_null(open->detail),
                     "memory_bytes", open->memory_bytes ? json_integer(open->memory_bytes) : json_null(), "memory_limit_bytes",
                     (json_int_t)compute_limits_default.memory_bytes, "started_at",
                     open->kernel_started_ms ? json_string(su_time_text(open->kernel_started_ms, started)) : json_null(), "queue",
                     (json_int_t)document_busy(open->document));
}

/* ---- reading ---- */

static void snapshot(struct open_document *open, struct su_buf *out)
{
    document_flush(open, 0); /* the document holds it already */
    char saved[SU_TIME_TEXT];
    SU_AUTO_JSON json_t *head = json_pack("{s:s, s:I, s:I, s:I, s:s, s:I, s:s, s:b, s:o, s:O?, s:i}", "type", "snapshot", "epoch", (json_int_t)open->epoch,
        "seq", (json_int_t)open->last, "revision", (json_int_t)document_revision(open->document), "name", open->name, "version",
        (json_int_t)open->version, "saved_at", su_time_text(open->saved_ms, saved), "dirty", (int)open->is_changed, "kernel",
        document_kernel_json(open), "input", open->input, "viewers", open->viewers);
    if (!open->input)
        json_object_set_new(head, "input", json_null());
    SU_AUTO_FREE char *text = su_json_text(head);
    su_buf_add(out, text, strlen(text) - 1);
    su_buf_addc(out, ',');
    document_snapshot(open->document, open->href, out);
    su_buf_addc(out, '}');
}

void document_snapshot_now(struct documents *documents, struct open_document *open, struct su_buf *out)
{
    (void)documents;
    SU_LOCKED(&open->lock);
    snapshot(open, out);
}

void document_reader_next(struct documents *documents, struct open_document *open, struct document_reader *reader, struct su_buf *out)
{
    (void)documents;
    SU_LOCKED(&open->lock);
    bool is_here = reader->epoch == open->epoch && reader->after <= open->last && reader->after + 1 >= open->oldest;
    if (!is_here) {
        snapshot(open, out);
        *reader = (struct document_reader){open->epoch, open->last};
        return;
    }
    if (reader->after >= open->last)
        return;
    const struct delta *delta = &open->ring[++reader->after % RING_DELTAS];
    su_buf_add(out, delta->text, delta->len);
}

bool documents_output(struct documents *documents, struct open_document *open, const char *cell, size_t index, struct su_buf *out, struct su_err *err)
{
    (void)documents;
    SU_LOCKED(&open->lock);
    if (document_output(open->document, cell, index, out))
        return true;
    return su_fail(err, SU_NOT_FOUND, "the cell \"%.64s\" has no output %zu (any more)", cell, index);
}

void documents_viewers(struct documents *documents, struct open_document *open, int change)
{
    su_lock(&open->lock);
    open->viewers += change;
    open->saves_now |= open->viewers == 0 && open->is_changed;
    open->active_ms = su_mono_ms();
    document_tell(open, json_pack("{s:s, s:i}", "type", "viewers", "viewers", open->viewers));
    su_unlock(&open->lock);
    document_fire(documents, open);
    documents_wake(documents);
}

const char *open_document_topic(const struct open_document *open) { return open->topic; }

json_t *documents_list(struct documents *documents, const char *tenant)
{
    json_t *items = json_array();
    SU_LOCKED(&documents->lock);
    for (struct open_document *open = documents->first; open; open = open->next) {
        if (strcmp(open->tenant, tenant) != 0)
            continue;
        su_lock(&open->lock);
        if (open->document)
            json_array_append_new(items, json_pack("{s:s, s:i, s:o, s:b}", "name", open->name, "viewers", open->viewers, "kernel",
                                                   document_kernel_json(open), "dirty", (int)open->is_changed));
        su_unlock(&open->lock);
    }
    return items;
}

/* ---- opening, references ---- */

/* Its address, with everything that could mean something else in hexadecimal. */
static char *href_of(const char *name)
{
    SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 16);
    su_buf_adds(&out, "/v1/notebooks/");
    su_percent_add(&out, name, "/");
    su_buf_adds(&out, "/live");
    return su_buf_take(&out, NULL);
}

struct open_document *document_new_open(struct documents *documents, const char *tenant, const char *name, const char *user)
{
    struct open_document *open = su_alloc(sizeof *open);
    su_lock_init(&open->order);
    su_lock_init(&open->lock);
    su_id(open->id);
    open->tenant = su_strdup(tenant);
    open->name = su_strdup(name);
    open->user = su_strdup(user);
    open->topic = su_format("document/%s", open->id);
    open->href = href_of(name);
    open->gathered.text = SU_BUF(2 * STREAM_GATHER_MAX);
    open->epoch = su_now_ms();
    open->oldest = 1;
    open->next_seq = 1;
    open->watched_fd = -1;
    open->active_ms = su_mono_ms();
    return open;
}

static void open_document_free(struct open_document *open)
{
    while (open->oldest <= open->last)
        drop_oldest(open);
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        json_decref(open->answers[i].content);
    keeper_close(open->keeper);
    document_free(open->document);
    json_decref(open->input);
    json_decref(open->unwritten);
    su_buf_done(&open->gathered.text);
    free(open->detail);
    free(open->tenant);
    free(open->name);
    free(open->user);
    free(open->topic);
    free(open->href);
    su_lock_done(&open->lock);
    su_lock_done(&open->order);
    free(open);
}

/* With the list's lock held. */
static struct open_document *find(struct documents *documents, const char *tenant, const char *name)
{
    for (struct open_document *open = documents->first; open; open = open->next)
        if (!open->is_ended && strcmp(open->name, name) == 0 && strcmp(open->tenant, tenant) == 0)
            return open;
    return NULL;
}

/* The one of that name, with a reference; made, empty, when there is none. */
static struct open_document *find_or_add(struct documents *documents, const char *tenant, const char *name, const char *user, struct su_err *err)
{
    SU_LOCKED(&documents->lock);
    struct open_document *open = find(documents, tenant, name);
    if (!open) {
        if (documents->count >= documents->config.open) {
            su_fail_slug(err, "too-many-requests", "limits.live_notebooks: %zu notebooks are open already: close one, or shut down its kernel",
                         documents->count);
            return NULL;
        }
        open = document_new_open(documents, tenant, name, user);
        open->next = documents->first;
        documents->first = open;
        documents->count++;
    }
    open->references++;
    return open;
}

bool documents_get(struct documents *documents, const char *tenant, const char *name, const char *user, struct open_document **ret,
                   struct su_err *err)
{
    struct open_document *open = find_or_add(documents, tenant, name, user, err);
    if (!open)
        return false;
    su_lock(&open->lock);
    bool is_loaded = open->document || document_load(documents, open, 0, err);
    su_unlock(&open->lock);
    if (is_loaded)
        *ret = open;
    else
        documents_put_back(documents, open);
    return is_loaded;
}

/* With both locks: is it of no use to anybody? */
static bool is_idle(const struct open_document *open)
{
    return open->references == 0 && (open->is_ended || !open->document ||
           (open->viewers == 0 && !open->has_row && !open->is_changed && !*open->kernel));
}

void documents_stored_outside(struct documents *documents, const char *tenant, const char *name, bool is_deleted)
{
    struct su_err err;
    su_lock(&documents->lock);
    struct open_document *open = find(documents, tenant, name);
    if (open)
        open->references++;
    su_unlock(&documents->lock);
    if (!open)
        return;
    if (is_deleted && !documents_end(documents, open, true, &err))
        su_log_error("document.end", &err, su_kv_text("notebook", name));
    su_lock(&open->order);
    su_lock(&open->lock);
    if (!is_deleted && open->document && !open->is_changed && document_busy(open->document) == 0 && document_load(documents, open, 0, &err)) {
        open->epoch++; /* every reader gets a snapshot */
        if (open->has_row && !document_row(documents, open, &err))
            su_log_error("document.row", &err, su_kv_text("notebook", name));
    }
    su_unlock(&open->lock);
    su_unlock(&open->order);
    document_fire(documents, open);
    documents_put_back(documents, open);
}

void documents_put_back(struct documents *documents, struct open_document *open)
{
    if (!open)
        return;
    su_lock(&documents->lock);
    open->references--;
    su_lock(&open->lock);
    bool is_over = is_idle(open);
    su_unlock(&open->lock);
    struct open_document **at = &documents->first;
    while (is_over && *at && *at != open)
        at = &(*at)->next;
    if (is_over && *at) {
        *at = open->next;
        documents->count--;
    }
    su_unlock(&documents->lock);
    if (is_over)
        open_document_free(open);
}

/* ---- the thread ---- */

/* The next one after `last` in the list, with a reference; `last` is given back. */
static struct open_document *next_of(struct documents *documents, struct open_document *last)
{
    su_lock(&documents->lock);
    struct open_document *open = last ? last->next : documents->first;
    if (open)
        open->references++;
    su_unlock(&documents->lock);
    documents_put_back(documents, last);
    return open;
}

static bool is_due(const struct open_document *open, int64_t now)
{
    if (!open->is_changed || open->is_ended)
        return false;
    if (open->saves_now || now - open->first_change_ms >= SAVE_LATEST_MS)
        return true;
    return now - open->changed_ms >= (open->viewers ? SAVE_QUIET_MS : SAVE_ALONE_MS) && document_busy(open->document) == 0;
}

/* What the time has brought for one document. */
static void look_after(struct documents *documents, struct open_document *open)
{
    struct su_err err;
    int64_t now = su_mono_ms(), version;
    su_lock(&open->lock);
    uint64_t before = open->last;
    bool is_late = open->keeper && document_busy(open->document) == 0 && open->viewers == 0 && now - open->active_ms > (int64_t)documents->config.idle_s * 1000;
    if (is_late)
        document_kernel_end(documents, open, KERNEL_NONE, "nobody used it for a long time");
    document_kernel_ask_usage(documents, open, now);
    bool saves = open->document && is_due(open, now), has_news = open->last > before;
    su_unlock(&open->lock);
    if (has_news)
        document_fire(documents, open);
    if (saves && !documents_save(documents, open, &version, &err))
        su_log_error("document.save", &err, su_kv_text("notebook", open->name));
    else if (!documents_tidy_row(documents, open, &err))
        su_log_error("document.row", &err, su_kv_text("notebook", open->name));
}

/* Text that was gathered long enough is told. */
static void flush_all(struct documents *documents)
{
    documents->flush_ms = 0;
    for (struct open_document *open = next_of(documents, NULL); open; open = next_of(documents, open)) {
        int64_t now = su_mono_ms();
        su_lock(&open->lock);
        uint64_t before = open->last;
        if (open->document)
            document_flush(open, now);
        if (document_has_gathered(open))
            documents->flush_ms = now + STREAM_GATHER_MS;
        bool has_news = open->last > before;
        su_unlock(&open->lock);
        if (has_news)
            document_fire(documents, open);
    }
}

size_t documents_kernels(struct documents *documents)
{
    size_t count = 0;
    SU_LOCKED(&documents->lock);
    for (const struct open_document *open = documents->first; open; open = open->next)
        count += open->watched_fd >= 0;
    return count;
}

static void take_turn(struct documents *documents)
{
    for (struct open_document *open = next_of(documents, NULL); open; open = next_of(documents, open))
        look_after(documents, open);
}

/* The document whose keeper speaks on that descriptor, with a reference. */
static struct open_document *by_fd(struct documents *documents, int fd)
{
    SU_LOCKED(&documents->lock);
    for (struct open_document *open = documents->first; open; open = open->next) {
        if (open->watched_fd != fd)
            continue;
        open->references++;
        return open;
    }
    return NULL;
}

static void hear(struct documents *documents, int fd)
{
    struct open_document *open = by_fd(documents, fd);
    if (!open)
        return;
    su_lock(&open->lock);
    document_kernel_hear(documents, open);
    if (document_has_gathered(open) && !documents->flush_ms)
        documents->flush_ms = su_mono_ms() + STREAM_GATHER_MS;
    documents->turns_now |= open->saves_now;
    su_unlock(&open->lock);
    document_fire(documents, open);
    documents_put_back(documents, open);
}

static void run(void *arg)
{
    struct documents *documents = arg;
    struct epoll_event events[EVENTS_AT_ONCE];
    int64_t turn_at = su_mono_ms() + TURN_MS;
    while (!documents->is_closing) {
        int64_t next_ms = documents->flush_ms && documents->flush_ms < turn_at ? documents->flush_ms : turn_at;
        int64_t left = next_ms - su_mono_ms();
        int count = documents->count ? epoll_wait(documents->epoll_fd, events, EVENTS_AT_ONCE, left > 0 ? (int)left : 0)
                                     : epoll_wait(documents->epoll_fd, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count; i++) {
            uint64_t value;
            if (events[i].data.fd != documents->wake_fd)
                hear(documents, events[i].data.fd);
            else if (read(documents->wake_fd, &value, sizeof value) < 0 && errno != EAGAIN)
                su_log(SU_LOG_ERROR, "documents.wake", su_kv_int("errno", errno));
        }
        if (documents->flush_ms && su_mono_ms() >= documents->flush_ms)
            flush_all(documents);
        if (documents->turns_now || su_mono_ms() >= turn_at) {
            documents->turns_now = false;
            take_turn(documents);
            turn_at = su_mono_ms() + TURN_MS;
        }
    }
}

bool documents_open(struct store *store, struct su_bus *bus, struct compute *compute, struct notebooks *notebooks,
                    const struct run_tokens *tokens, const struct documents_config *config, struct documents **ret, struct su_err *err)
{
    struct documents *documents = su_alloc(sizeof *documents);
    *documents = (struct documents){.store = store, .bus = bus, .compute = compute, .notebooks = notebooks, .tokens = *tokens, .config = *config};
    su_lock_init(&documents->lock);
    documents->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    documents->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = documents->wake_fd};
    bool ok = documents->epoll_fd >= 0 && documents->wake_fd >= 0 && epoll_ctl(documents->epoll_fd, EPOLL_CTL_ADD, documents->wake_fd, &event) == 0;
    if (!ok)
        su_fail_errno(err, errno, "documents: no descriptors");
    if (!ok || !documents_recover(documents, err)) {
        documents_close(documents);
        return false;
    }
    su_thread_start(&documents->thread, "documents", run, documents);
    *ret = documents;
    return true;
}

void documents_close(struct documents *documents)
{
    if (!documents)
        return;
    documents->is_closing = true;
    if (documents->thread.is_running)
        documents_wake(documents);
    su_thread_join(&documents->thread);
    while (documents->first) {
        struct open_document *open = documents->first;
        struct su_err err;
        int64_t version;
        if (open->document && open->is_changed && !documents_save(documents, open, &version, &err))
            su_log_error("document.save", &err, su_kv_text("notebook", open->name));
        documents->first = open->next;
        open_document_free(open);
    }
    if (documents->epoll_fd >= 0)
        close(documents->epoll_fd);
    if (documents->wake_fd >= 0)
        close(documents->wake_fd);
    su_lock_done(&documents->lock);
    free(documents);
}
