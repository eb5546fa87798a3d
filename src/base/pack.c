/* Packed bytes: see pack.h.  Layer base; any thread. */
#include "pack.h"
#include "thread.h"
#include <zstd.h>

/* A context is a megabyte or so and costly to make: one of each kind is kept by the thread that packs. */
static _Thread_local struct { ZSTD_CCtx *pack; ZSTD_DCtx *unpack; } contexts;
static pthread_key_t contexts_key;
static pthread_once_t contexts_once = PTHREAD_ONCE_INIT;

static void contexts_free(void *unused)
{
    ZSTD_freeCCtx(su_take(contexts.pack));
    ZSTD_freeDCtx(su_take(contexts.unpack));
}

static void contexts_key_new(void) { pthread_key_create(&contexts_key, contexts_free); }

static void contexts_keep(void)
{
    pthread_once(&contexts_once, contexts_key_new);
    pthread_setspecific(contexts_key, &contexts);
}

static ZSTD_DCtx *unpacker(void)
{
    if (contexts.unpack == NULL) {
        contexts.unpack = ZSTD_createDCtx();
        su_assert(contexts.unpack != NULL);
        contexts_keep();
    }
    ZSTD_DCtx_reset(contexts.unpack, ZSTD_reset_session_only);
    return contexts.unpack;
}

bool su_pack(struct su_str data, int level, struct su_buf *ret, struct su_err *err)
{
    if (contexts.pack == NULL) {
        contexts.pack = ZSTD_createCCtx();
        su_assert(contexts.pack != NULL);
        contexts_keep();
    }
    size_t bound = ZSTD_compressBound(data.len);
    char *room = su_buf_room(ret, bound);
    if (room == NULL)
        return su_fail(err, SU_LIMIT, "packing %zu bytes needs more than the %zu that are allowed", data.len, ret->max);
    size_t size = ZSTD_compressCCtx(contexts.pack, room, bound, data.ptr, data.len, level);
    if (ZSTD_isError(size))
        return su_fail(err, SU_INTERNAL, "packing %zu bytes: %s", data.len, ZSTD_getErrorName(size));
    su_buf_grew(ret, size);
    return true;
}

bool su_unpack(struct su_str packed, size_t max, struct su_buf *ret, struct su_err *err)
{
    enum { STEP = 128 * 1024 };
    ZSTD_DCtx *context = unpacker();
    ZSTD_inBuffer in = {packed.ptr, packed.len, 0};
    size_t begin = ret->len, left = packed.len;
    bool is_full = true;
    while (in.pos < in.size || is_full) {
        char *room = su_buf_room(ret, STEP);
        if (room == NULL)
            return su_fail(err, SU_LIMIT, "the packed bytes open to more than the %zu that are allowed", max);
        ZSTD_outBuffer out = {room, STEP, 0};
        size_t before = in.pos, wanted = ZSTD_decompressStream(context, &out, &in);
        if (ZSTD_isError(wanted))
            return su_fail(err, SU_INVALID, "not good zstd data at byte %zu: %s", in.pos, ZSTD_getErrorName(wanted));
        if (out.pos > 0 || in.pos > before)
            left = wanted;              /* 0: a frame is complete */
        su_buf_grew(ret, out.pos);
        if (ret->len - begin > max)
            return su_fail(err, SU_LIMIT, "the packed bytes open to more than the %zu that are allowed", max);
        is_full = out.pos == out.size;
    }
    return left == 0 || su_fail(err, SU_INVALID, "the zstd data ends too early, after %zu bytes", packed.len);
}

bool su_unpack_into(struct su_str packed, void *ret, size_t size, struct su_err *err)
{
    size_t got = ZSTD_decompressDCtx(unpacker(), ret, size, packed.ptr, packed.len);
    if (ZSTD_isError(got))
        return su_fail(err, SU_INVALID, "not good zstd data: %s", ZSTD_getErrorName(got));
    return got == size || su_fail(err, SU_INVALID, "packed data opened to %zu bytes instead of %zu", got, size);
}
