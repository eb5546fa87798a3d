/* Blocks of any bytes: opened, read whole, merged; with their checksums made good, so that what lies behind them is
 * reached.  Tests. */
#include "fuzz.h"

#include "base/hash.h"
#include "store/block.h"

enum { HEAD_SIZE = 80, ENTRY_SIZE = 80, FIRST_AT = 8, CHECKSUM_AT = 24, CHECKED_FROM = 32, COLUMNS_AT = 44, PRELUDE_AT = 64, ROWS_MAX = 4096 };

static uint64_t load(const uint8_t *data, size_t at, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, data + at, size);
    return value;
}

/* As a writer of such bytes would have put them. */
static void mend(uint8_t *data, size_t size)
{
    if (size < HEAD_SIZE)
        return;
    uint64_t prelude = load(data, PRELUDE_AT, 4), columns = load(data, COLUMNS_AT, 4);
    for (uint64_t i = 0; i < columns && HEAD_SIZE + (i + 1) * ENTRY_SIZE <= size; i++) {
        uint8_t *entry = data + HEAD_SIZE + i * ENTRY_SIZE;
        uint64_t at = load(entry, 24, 8), length = load(entry, 32, 8);
        if (entry[2] == 6)
            length = load(entry, 76, 4);
        if (at > size || length > size - at)
            continue;
        uint64_t checksum = su_hash64(data + at, length);
        memcpy(entry + 40, &checksum, sizeof checksum);
    }
    if (prelude < HEAD_SIZE || prelude > size)
        return;
    block_set_first(data, load(data, FIRST_AT, 8));
    uint64_t checksum = su_hash64(data + CHECKED_FROM, prelude - CHECKED_FROM);
    memcpy(data + CHECKSUM_AT, &checksum, sizeof checksum);
}

static size_t read_row(struct block *block, uint32_t row)
{
    size_t sum = 0;
    struct su_err err;
    struct su_str body;
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        struct block_value value = block_value(column, row);
        for (size_t k = 0; k < value.text.len; k++)
            sum += (uint8_t)value.text.ptr[k];
        sum += column->name.len + (value.kind == BLOCK_FLOAT && value.number > 0);
    }
    if (block_body(block, row, &body, &err))
        for (size_t k = 0; k < body.len; k++)
            sum += (uint8_t)body.ptr[k];
    return sum + (block_offset(block, row) & 1);
}

static void read_many(struct block *block)
{
    static int64_t ints[ROWS_MAX];
    static double numbers[ROWS_MAX];
    static uint32_t codes[ROWS_MAX];
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        block_ints(column, 0, block->rows, ints);
        block_floats(column, 0, block->rows, numbers);
        if (block_codes(column, 0, block->rows, codes))
            for (uint32_t row = 0; row < block->rows; row++)
                FUZZ_HOLDS(codes[row] == UINT32_MAX || codes[row] < block_dictionary_count(column));
    }
}

static void merge(struct block *block)
{
    struct block_slice slices[] = {{block, 0, block->rows}, {block, 1, block->rows}};
    for (unsigned flags = 0; flags < 8; flags++) {
        SU_AUTO_BUF struct su_buf out = SU_BUF(64 << 20);
        struct su_err err;
        uint32_t rows;
        if (!block_merge(slices, 1 + flags % 2, flags, INT64_MIN, flags == 6 ? 0 : INT64_MAX, &out, &rows, &err) || rows == 0)
            continue;
        BLOCK_AUTO struct block merged = {0};
        FUZZ_HOLDS(block_open(out.ptr, out.len, &merged, &err));
        FUZZ_HOLDS(merged.rows == rows);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct su_err err;
    struct block untouched = {0};
    if (block_open(data, size, &untouched, &err))
        block_done(&untouched);
    uint8_t *copy = malloc(size + !size);
    memcpy(copy, data, size);
    mend(copy, size);
    BLOCK_AUTO struct block block = {0};
    if (block_open(copy, size, &block, &err) && block.rows <= ROWS_MAX && block.column_count <= 64) {
        FUZZ_HOLDS(block_size(copy, size) == block.size);
        for (uint32_t row = block.rows; row-- > 0;)
            read_row(&block, row);
        read_many(&block);
        merge(&block);
    }
    block_done(&block);
    free(copy);
    return 0;
}
