/* A stranger's watch, and bytes that claim to be its checkpoint: refused with a field, or borne.  Tests.
 *
 * Input: the definition as JSON, a zero byte, the checkpoint's bytes. */
#include "fuzz.h"

#include "act/watch_engine.h"

static bool drop(void *arg, const struct watch_emitted *emitted, struct su_err *err) { return true; }

/* A while without any message: every key that the bytes brought takes part. */
static void go_on(const struct watch_definition *definition, struct su_str bytes)
{
    struct su_err err;
    DETECTOR_AUTO struct detector *detector = NULL;
    const struct watch_engine_ops ops = {.emit = drop};
    if (definition->model || !watch_definition_detector(definition, NULL, &detector, &err))
        return;
    struct watch_engine *engine = watch_engine_new(definition, &detector, NULL, &ops);
    if (watch_engine_load(engine, bytes, &err)) {
        int64_t next = watch_engine_next(engine), until;
        if (next > INT64_MIN && !__builtin_add_overflow(next, 20 * definition->window.every_us, &until))
            FUZZ_HOLDS(watch_engine_skip_to(engine, until, &err));
        struct su_buf again = SU_BUF(1 << 24);
        watch_engine_save(engine, &again);
        su_buf_done(&again);
    }
    watch_engine_free(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct su_err err;
    const char *text = (const char *)data, *zero = memchr(text, 0, size);
    struct su_str definition_text = {text, zero ? (size_t)(zero - text) : size};
    SU_AUTO_JSON json_t *given = NULL;
    WATCH_AUTO_DEFINITION struct watch_definition definition = {0};
    if (!su_json_parse(definition_text, "watch", &given, &err) || !json_is_object(given))
        return 0;
    if (!watch_definition_read(given, &definition, &err)) {
        FUZZ_HOLDS(err.message[0] != '\0');
        return 0;
    }
    FUZZ_HOLDS(definition.dimensions >= 1 && definition.window.every_us >= 1000 && definition.keys_max >= 1);
    /* What was read reads the same once more. */
    WATCH_AUTO_DEFINITION struct watch_definition again = {0};
    FUZZ_HOLDS(watch_definition_read(definition.given, &again, &err) && watch_definition_learns_same(&definition, &again));
    if (zero)
        go_on(&definition, (struct su_str){zero + 1, size - definition_text.len - 1});
    return 0;
}
