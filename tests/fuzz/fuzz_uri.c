/* Paths and query strings: a name that is accepted has no step upwards and no control character.  Tests. */
#include "fuzz.h"

#include "api/uri.h"

static void drop_arena(struct su_arena **arena) { su_arena_free(*arena); }

static void check_name(struct su_str name)
{
    FUZZ_HOLDS(name.len > 0 && name.len <= URI_NAME_MAX);
    FUZZ_HOLDS(su_utf8_valid(name));
    FUZZ_HOLDS(!memchr(name.ptr, '\0', name.len) && !memchr(name.ptr, '\n', name.len));
    struct su_str rest = name, segment;
    bool goes_on = true;
    while (goes_on) {
        goes_on = su_str_cut(rest, '/', &segment, &rest);
        FUZZ_HOLDS(segment.len > 0);
        FUZZ_HOLDS(!su_str_equal(segment, SU_STR(".")) && !su_str_equal(segment, SU_STR("..")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    __attribute__((cleanup(drop_arena))) struct su_arena *arena = su_arena_new();
    struct su_err err = {0};
    struct su_str head, tail, name;
    su_str_cut(fuzz_text(data, size), '?', &head, &tail);
    struct uri_path path;
    if (uri_path_parse(arena, head, &path, &err)) {
        FUZZ_HOLDS(path.count <= URI_SEGMENTS_MAX);
        if (path.count && uri_path_name(arena, &path, 0, path.count, "name", &name, &err))
            check_name(name);
    }
    struct uri_query query;
    if (uri_query_parse(arena, tail, &query, &err))
        for (size_t i = 0; i < query.count; i++)
            FUZZ_HOLDS(su_utf8_valid(query.items[i].value));
    return 0;
}
