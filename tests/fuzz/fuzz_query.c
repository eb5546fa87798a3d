/* SQL of a stranger against a small table: it never writes, hangs or crashes, and says the same twice.  Tests. */
#include "fuzz.h"

#include "base/clock.h"
#include "store/query.h"

enum { SIZE_MAX_BYTES = 4096, TIME_MS = 200, PATIENCE_MS = 5000 };
static struct block block;

static void make_block(void)
{
    struct su_err err;
    static struct su_buf bytes;
    if (bytes.ptr)
        return;
    bytes = SU_BUF(1 << 20);
    struct block_builder *builder = block_builder_new(NULL);
    for (int64_t i = 0; i < 50; i++) {
        block_begin(builder);
        block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("a")), i);
        block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("b")), (double)i / 3);
        block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("c")), i % 2 ? SU_STR("odd") : SU_STR("even"));
        FUZZ_HOLDS(block_end(builder, &(struct block_message){.time_us = i, .body = SU_STR("{}")}, &err));
    }
    FUZZ_HOLDS(block_finish(builder, 0, &bytes, &err) && block_open(bytes.ptr, bytes.len, &block, &err));
    block_builder_free(builder);
}

static bool scan(void *arg, const struct query_bounds *bounds, void **ret, struct su_err *err)
{
    *ret = su_alloc(1);
    return true;
}

static enum query_next next_piece(void *scan_, struct query_piece *ret, struct su_err *err)
{
    bool *is_done = scan_;
    if (*is_done)
        return QUERY_DONE;
    *is_done = true;
    *ret = (struct query_piece){&block, 0, block.rows};
    return QUERY_ROW;
}

static bool resolve(void *arg, const char *name, struct query_table *ret, struct su_err *err)
{
    static const struct relation_field fields[] = {{{"a", 1}, {"a", 1}, BLOCK_INT}, {{"b", 1}, {"b", 1}, BLOCK_FLOAT}, {{"c", 1}, {"c", 1}, BLOCK_TEXT}};
    if (strcmp(name, "t") != 0 && strcmp(name, "u") != 0)
        return su_fail(err, SU_NOT_FOUND, "no table");
    *ret = (struct query_table){fields, SU_COUNT(fields), *name == 't', INT64_MIN, INT64_MAX, NULL, scan, next_piece, free, NULL};
    return true;
}

/* A hash of the answer; 0 when it was refused or ended. */
static uint64_t ask(struct su_str sql)
{
    struct su_err err;
    QUERY_AUTO struct query *query = NULL;
    const struct query_options options = {.resolve = resolve, .time_ms = TIME_MS, .memory_bytes = 64 << 20, .rows_max = 1000, .bytes_max = 1 << 20};
    uint64_t hash = 1;
    enum query_next next;
    if (!query_open(&options, sql, &query, &err))
        return 0;
    while ((next = query_step(query, &err)) == QUERY_ROW)
        for (size_t i = 0; i < query_columns(query); i++) {
            struct block_value value = query_value(query, i);
            hash = hash * 31 + (uint64_t)value.kind + (uint64_t)value.integer;
            for (size_t at = 0; at < value.text.len; at++)
                hash = hash * 31 + (unsigned char)value.text.ptr[at];
        }
    return next == QUERY_DONE ? hash : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SIZE_MAX_BYTES)
        return 0;
    make_block();
    int64_t began_ms = su_mono_ms();
    uint64_t first = ask(fuzz_text(data, size)), second = ask(fuzz_text(data, size));
    FUZZ_HOLDS(su_mono_ms() - began_ms < PATIENCE_MS);
    FUZZ_HOLDS(!first || !second || first == second);
    return 0;
}
