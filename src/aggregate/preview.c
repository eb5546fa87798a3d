/* Previews, kept by content: see preview.h.  Layer aggregate; any thread. */
#include "preview.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/thread.h"
#include "blobref.h"
#include "profile.h"
#include "store/blob.h"

enum {
    PREVIEW_FORMAT = 1,             /* of the kept JSON: a change makes old ones unknown */
    SMALL_SIZE = 1 << 20,           /* smaller ones take milliseconds: they wait for nobody */
    NOTE_KEY = 48,
};

/* A large preview under way. */
struct work { struct work *next; char tenant[128], sha256[SU_SHA256_HEX]; };

struct previews {
    struct store *store;
    struct su_bus *bus;
    struct previews_options options;
    atomic_bool is_closing;
    struct su_lock lock;            /* of what follows */
    struct work *under_way;
    unsigned computing, inside;     /* large ones; callers that are in here because of large ones */
};

bool previews_open(struct store *store, struct su_bus *bus, const struct previews_options *options,
                   struct previews **ret, struct su_err *err)
{
    (void)err;
    struct previews *previews = su_alloc(sizeof *previews);
    previews->store = store;
    previews->bus = bus;
    previews->options = options ? *options : (struct previews_options){0};
    if (previews->options.parallel == 0)
        previews->options.parallel = 1;
    if (previews->options.waiting == 0)
        previews->options.waiting = 2;
    su_lock_init(&previews->lock);
    *ret = previews;
    return true;
}

void previews_close(struct previews *previews)
{
    if (previews == NULL)
        return;
    atomic_store(&previews->is_closing, true);
    su_lock(&previews->lock);
    su_wake(&previews->lock);
    while (previews->inside > 0)
        su_wait(&previews->lock);
    su_unlock(&previews->lock);
    su_lock_done(&previews->lock);
    free(previews);
}

const char *preview_topic(void) { return "previews"; }

/* --- what is kept ----------------------------------------------------- */

/* The same bytes under another name may be read as something else. */
static void note_key(enum profile_hint hint, char ret_key[static NOTE_KEY])
{
    snprintf(ret_key, NOTE_KEY, "preview/%d/%d", PREVIEW_FORMAT, (int)hint);
}

static bool load(struct previews *previews, const char *tenant, const struct object_info *info, const char *key,
                 json_t **ret, struct su_err *err)
{
    STORE_READ(previews->store, db);
    SU_AUTO_FREE char *note = NULL;
    if (!blobref_note_get(db, tenant, info->sha256, key, &note, err))
        return false;
    *ret = note ? json_loads(note, 0, NULL) : NULL;
    return true;
}

struct note { const char *tenant, *sha256, *key, *text; };

static bool note_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct note *note = arg;
    return blobref_note(db, note->tenant, note->sha256, note->key, note->text, err);
}

/* A preview that can't be kept (a full disk) is still a preview. */
static void keep(struct previews *previews, const char *tenant, const struct object_info *info, const char *key, const json_t *preview)
{
    struct su_err err;
    SU_AUTO_FREE char *text = su_json_text(preview);
    struct note note = {tenant, info->sha256, key, text};
    if (!store_write(previews->store, note_job, &note, &err))
        su_log_error("preview.not_kept", &err, su_kv_text("sha256", info->sha256));
}

/* --- making one ------------------------------------------------------- */

static bool read_file(void *arg, void *data, size_t cap, size_t *ret, struct su_err *err)
{
    ssize_t got;
    do
        got = read(*(int *)arg, data, cap);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return su_fail_errno(err, errno, "the content can't be read");
    *ret = (size_t)got;
    return true;
}

static uint64_t seed_of(const char *sha256)
{
    char digits[17];
    snprintf(digits, sizeof digits, "%.16s", sha256);
    return strtoull(digits, NULL, 16);
}

static bool compute(struct previews *previews, const char *tenant, const struct object_info *info, const char *key,
                    enum profile_hint hint, json_t **ret, struct su_err *err)
{
    SU_AUTO_FD int fd = -1;
    uint64_t size;
    int64_t start_ms = su_mono_ms();
    const struct profile_options options = {.hint = hint, .seed = seed_of(info->sha256), .stop = &previews->is_closing};
    if (!blob_open(store_blobs(previews->store), info->sha256, &fd, &size, err) || !profile_run(read_file, &fd, &options, ret, err))
        return false;
    if (size >= SMALL_SIZE)
        su_log(SU_LOG_INFO, "preview.made", su_kv_text("name", info->name), su_kv_int("bytes", (int64_t)size),
               su_kv_int("ms", su_mono_ms() - start_ms));
    keep(previews, tenant, info, key, *ret);
    return true;
}

/* --- one at a time ---------------------------------------------------- */

static bool is_under_way(const struct previews *previews, const char *tenant, const char *sha256)
{
    for (const struct work *work = previews->under_way; work != NULL; work = work->next)
        if (strcmp(work->sha256, sha256) == 0 && strcmp(work->tenant, tenant) == 0)
            return true;
    return false;
}

/* Wait for a turn; not *ret_is_mine when somebody else was making the same one, and is through. */
static bool begin(struct previews *previews, const char *tenant, const struct object_info *info, struct work *work,
                  bool *ret_is_mine, struct su_err *err)
{
    SU_LOCKED(&previews->lock);
    if (previews->inside >= previews->options.waiting) {
        su_fail(err, SU_UNAVAILABLE, "other large previews are being made");
        return su_hint(err, "Ask again with ?wait=30s, or a little later.");
    }
    previews->inside++;
    bool was_under_way = is_under_way(previews, tenant, info->sha256);
    while (!atomic_load(&previews->is_closing)
           && (is_under_way(previews, tenant, info->sha256) || (!was_under_way && previews->computing >= previews->options.parallel)))
        su_wait(&previews->lock);
    *ret_is_mine = !was_under_way;
    if (was_under_way)
        return true;
    snprintf(work->tenant, sizeof work->tenant, "%s", tenant);
    memcpy(work->sha256, info->sha256, sizeof work->sha256);
    work->next = previews->under_way;
    previews->under_way = work;
    previews->computing++;
    return true;
}

static void end(struct previews *previews, struct work *work, bool is_mine)
{
    su_lock(&previews->lock);
    if (is_mine) {
        struct work **at = &previews->under_way;
        while (*at != work)
            at = &(*at)->next;
        *at = work->next;
        previews->computing--;
    }
    previews->inside--;
    su_wake(&previews->lock);
    su_unlock(&previews->lock);
}

static bool get_large(struct previews *previews, const char *tenant, const struct object_info *info, const char *key,
                      enum profile_hint hint, json_t **ret, struct su_err *err)
{
    struct work work = {0};
    bool is_mine = false;
    if (!begin(previews, tenant, info, &work, &is_mine, err))
        return false;
    /* Somebody may have made it while we waited; if theirs failed, ours will say why. */
    bool ok = load(previews, tenant, info, key, ret, err);
    if (ok && *ret == NULL)
        ok = compute(previews, tenant, info, key, hint, ret, err);
    struct su_bus *bus = previews->bus;
    end(previews, &work, is_mine);
    if (is_mine && bus != NULL)
        su_bus_publish(bus, preview_topic(), "preview.made", NULL);
    return ok;
}

bool preview_get(struct previews *previews, const char *tenant, const struct object_info *info,
                 json_t **ret, struct su_err *err)
{
    enum profile_hint hint = profile_hint_of(info->name, info->type);
    char key[NOTE_KEY];
    json_t *preview;
    note_key(hint, key);
    if (!load(previews, tenant, info, key, &preview, err))
        return false;
    if (preview == NULL
        && !(info->size < SMALL_SIZE ? compute(previews, tenant, info, key, hint, &preview, err)
                                     : get_large(previews, tenant, info, key, hint, &preview, err)))
        return false;
    *ret = json_pack("{s:s, s:I}", "name", info->name, "version", (json_int_t)info->version);
    json_object_update(*ret, preview);
    json_decref(preview);
    return true;
}
