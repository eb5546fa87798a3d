/* Zygotes and the kernels forked ahead, per tenant.  Layer compute.
 *
 * The thread "compute" does the slow work outside the lock: it starts a zygote, holds on to it,
 * and fills the pool once it answers.  Refilling waits a moment after a kernel was taken, so as
 * not to compete with the run that just began. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "compute/compute.h"
#include "compute/keeper.h"
#include "compute/sandbox.h"
#include "compute/launch.h"

enum { ZYGOTE_PATIENCE_MS = 60000, REFILL_AFTER_MS = 250, TICK_MS = 1000, STARTING_TICK_MS = 50, SPEC_MAX = 1024 * 1024 };
#define ZYGOTE_LEASE_S "60"

static json_t *zygote_argv(const struct places *places, const char *folder) {
    const char *const command[] = {places->python, "-P", "/opt/suricate/lib/suricate/_zygote.py", ZYGOTE_LEASE_S, NULL};
    return sandbox_argv(places, SANDBOX_ZYGOTE, folder, false, command);
}

/* A zygote serves one tenant, environment, library, sandbox and user; a server that differs in any starts its own. */
static void make_key(const struct places *places, const char *tenant, char key[static 20]) {
    json_t *argv SU_AUTO_JSON = zygote_argv(places, "");
    char *sandbox SU_AUTO_FREE = su_json_text(argv);
    char *text SU_AUTO_FREE = su_format("%s\n%s\n%u", tenant, sandbox, places->uid);
    uint8_t digest[SU_SHA256_SIZE];
    su_sha256_of(text, strlen(text), digest);
    su_hex(digest, 6, key);
}

struct pool *pool_of(struct compute *compute, const char *tenant) {
    for (uint32_t i = 0; i < compute->pool_count; i++)
        if (strcmp(compute->pools[i].tenant, tenant) == 0) return &compute->pools[i];
    if (compute->pool_count == POOLS_MAX || strlen(tenant) >= sizeof compute->pools[0].tenant) return NULL;
    struct pool *pool = &compute->pools[compute->pool_count++];
    *pool = (struct pool){.claim_fd = -1};
    memcpy(pool->tenant, tenant, strlen(tenant) + 1);
    make_key(&compute->places, tenant, pool->key);
    return pool;
}

static bool is_closed(int fd) {
    struct pollfd end = {.fd = fd, .events = POLLIN | POLLRDHUP};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

bool pool_take(struct compute *compute, const char *tenant, struct warm *ret) {
    SU_LOCKED(&compute->lock);
    struct pool *pool = pool_of(compute, tenant);
    while (pool && pool->count) {
        *ret = pool->list[0];
        memmove(&pool->list[0], &pool->list[1], --pool->count * sizeof pool->list[0]);
        pool->claimed_at = su_mono_ms();
        if (!is_closed(ret->fd)) return true;
        close(ret->fd);
    }
    return false;
}

bool pool_zygote_socket(struct compute *compute, const char *tenant, char **ret) {
    SU_LOCKED(&compute->lock);
    struct pool *pool = pool_of(compute, tenant);
    if (!pool || pool->claim_fd < 0 || is_closed(pool->claim_fd)) return false;
    *ret = su_format("%s/zygotes/%s/socket", compute->places.runtime, pool->key);
    return true;
}

static bool claim_zygote(const char *folder, int *ret_fd) {
    struct su_err err;
    char *socket SU_AUTO_FREE = su_format("%s/socket", folder);
    static const char claim[] = "{\"op\": \"claim\"}";
    int fd;
    if (!keeper_dial_socket(socket, SOCK_SEQPACKET, &fd, &err)) return false;
    if (send(fd, claim, sizeof claim - 1, MSG_NOSIGNAL) < 0) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

static bool start_zygote(struct compute *compute, const char *folder, struct su_err *err) {
    const struct places *places = &compute->places;
    char *spec_folder SU_AUTO_FREE = su_format("%s.start", folder);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) return su_fail_errno(err, errno, "%s", folder);
    if (places->uid != geteuid() && lchown(folder, places->uid, places->uid) < 0) return su_fail_errno(err, errno, "%s", folder);
    json_t *spec = json_pack("{s:o, s:[], s:i}", "argv", zygote_argv(places, folder), "env", "uid", (int)places->uid);
    return launch_prepare(spec_folder, spec, err) && launch_keeper(places, "zygote", spec_folder, err);
}

/* One pool's zygote: held, or claimed, or started. Works on a copy; true when it is up. */
static bool keep_zygote(struct compute *compute, struct pool *pool) {
    struct su_err err;
    if (pool->claim_fd >= 0 && !is_closed(pool->claim_fd)) return true;
    if (pool->claim_fd >= 0) close(pool->claim_fd);
    pool->claim_fd = -1;
    char *folder SU_AUTO_FREE = places_runtime(&compute->places, "zygotes", pool->key);
    if (claim_zygote(folder, &pool->claim_fd)) {
        su_log(SU_LOG_INFO, "zygote.ready", su_kv_text("tenant", pool->tenant),
               su_kv_int("waited_ms", pool->asked_at ? su_mono_ms() - pool->asked_at : 0));
        return true;
    }
    if (pool->asked_at && su_mono_ms() - pool->asked_at < ZYGOTE_PATIENCE_MS) return false;
    pool->asked_at = su_mono_ms();
    if (!start_zygote(compute, folder, &err)) su_log_error("zygote.start", &err, su_kv_text("tenant", pool->tenant));
    return false;
}

static void drop_dead(struct pool *pool) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pool->count; i++) {
        if (is_closed(pool->list[i].fd)) close(pool->list[i].fd);
        else pool->list[kept++] = pool->list[i];
    }
    pool->count = kept;
}

/* A keeper of the server before us, still unclaimed: ours if it fits, else sent away. */
static void adopt_one(struct compute *compute, const char *name) {
    struct su_err err;
    char *folder SU_AUTO_FREE = places_folder(&compute->places, false, name);
    char *path SU_AUTO_FREE = su_format("%s/spec.json", folder);
    struct su_buf text SU_AUTO_BUF = SU_BUF(SPEC_MAX);
    json_t *spec SU_AUTO_JSON = NULL;
    int fd;
    if (!su_file_read(path, SPEC_MAX, &text, &err) || !su_json_parse(su_buf_str(&text), "spec.json", &spec, &err) ||
        !keeper_dial(folder, &fd, &err)) {
        if (spec) launch_keeper(&compute->places, "tidy", folder, &err);
        su_dir_remove(folder, &err);
        return;
    }
    bool is_fit = compute->warm && strcmp(su_json_string(spec, "mode", ""), "zygote") == 0 &&
        (uint64_t)su_json_int(json_object_get(spec, "limits"), "scratch_bytes", 0) == compute->limits.scratch_bytes;
    if (is_fit) {
        SU_LOCKED(&compute->lock);
        struct pool *pool = pool_of(compute, su_json_string(spec, "tenant", ""));
        is_fit = pool && pool->count < compute->warm && strstr(su_json_string(spec, "zygote", ""), pool->key);
        if (is_fit) {
            struct warm *warm = &pool->list[pool->count++];
            warm->fd = fd;
            snprintf(warm->name, sizeof warm->name, "%s", name);
            return;
        }
    }
    json_t *bye SU_AUTO_JSON = json_pack("{s:s}", "op", "bye");
    keeper_ask(fd, bye, 0, NULL, &err);
    close(fd);
}

static void adopt(struct compute *compute) {
    char *folder SU_AUTO_FREE = su_format("%s/run/warm", compute->places.data);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.') adopt_one(compute, entry->d_name);
    if (dir) closedir(dir);
}

static bool fill_one(struct compute *compute, uint32_t index) {
    struct warm warm;
    struct su_err err;
    char tenant[64], *socket SU_AUTO_FREE = NULL;
    {
        SU_LOCKED(&compute->lock);
        struct pool *pool = &compute->pools[index];
        drop_dead(pool);
        bool is_soon = pool->claimed_at && su_mono_ms() - pool->claimed_at < REFILL_AFTER_MS;
        if (pool->claim_fd < 0 || pool->count >= compute->warm || pool->count >= WARM_MAX || is_soon) return false;
        memcpy(tenant, pool->tenant, sizeof tenant);
        socket = su_format("%s/zygotes/%s/socket", compute->places.runtime, pool->key);
    }
    if (!start_keeper(compute, tenant, &compute->limits, false, socket, &warm, &err)) {
        su_log_error("kernel.warm", &err);
        return false;
    }
    SU_LOCKED(&compute->lock);
    compute->pools[index].list[compute->pools[index].count++] = warm;
    return true;
}

/* One round; returns when the next is due. */
static int64_t keep_pools(struct compute *compute) {
    bool is_waiting = false;
    uint32_t count;
    {
        SU_LOCKED(&compute->lock);
        count = compute->pool_count;
    }
    for (uint32_t i = 0; i < count && compute->warm && !compute->is_unsafe; i++) {
        struct pool copy;
        {
            SU_LOCKED(&compute->lock);
            copy = compute->pools[i];
        }
        bool is_up = keep_zygote(compute, &copy);
        {
            SU_LOCKED(&compute->lock);
            compute->pools[i].claim_fd = copy.claim_fd;
            compute->pools[i].asked_at = copy.asked_at;
            is_waiting |= !is_up || compute->pools[i].count < compute->warm;
        }
        while (is_up && !compute->is_stopping && fill_one(compute, i)) {}
    }
    return su_mono_ms() + (is_waiting ? STARTING_TICK_MS : TICK_MS);
}

void pool_run(void *argument) {
    struct compute *compute = argument;
    struct su_err err;
    adopt(compute);
    bool is_sound = !compute->warm || compute_check(compute, &err);
    if (!is_sound) su_log_error("sandbox.check", &err);
    for (;;) {
        int64_t next = is_sound ? keep_pools(compute) : su_mono_ms() + TICK_MS;
        SU_LOCKED(&compute->lock);
        if (!compute->is_stopping) su_wait_until(&compute->lock, next);
        if (compute->is_stopping) return;
    }
}

void pool_close(struct compute *compute) {
    for (uint32_t i = 0; i < compute->pool_count; i++) {
        struct pool *pool = &compute->pools[i];
        if (pool->claim_fd >= 0) close(pool->claim_fd);
        for (uint32_t k = 0; k < pool->count; k++) close(pool->list[k].fd);
    }
}
