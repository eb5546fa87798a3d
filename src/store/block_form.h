/* The form of a block, and what is written into it.  Layer store; private to block*.c.
 *
 * docs/reference/columns.md describes the form for others; a change here is a
 * change there, and of the magic.  All numbers are little-endian. */
#pragma once
#include <string.h>
#include "block.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blocks are read in place, so the machine must be little-endian");

#define FORM_MAGIC "SuBlock1"

enum form_encoding {
    FORM_WHOLE = 1,     /* base + step * u, u of `width` bytes (0: always base); times, integers, booleans */
    FORM_DECIMAL,       /* (base + u) / 10^scale, each as a double: exactly the number that went in */
    FORM_DOUBLE,        /* 8 bytes each */
    FORM_TEXT,          /* rows + 1 offsets (4 bytes), then their bytes */
    FORM_CODED,         /* a code of `width` bytes a row; count + 1 offsets, then the bytes of the dictionary */
    FORM_PACKED,        /* bodies: `count` struct form_frame, then the frames */
    FORM_ENCODING_COUNT
};

struct form_head {
    char magic[8];
    uint64_t first, first_check;        /* the check of `first` alone, so that it can be changed */
    uint64_t checksum;                  /* of bytes [32, prelude_size) */
    uint64_t size;                      /* of the block, a multiple of 64 */
    uint32_t rows, columns;
    int64_t min_us, max_us;
    uint32_t prelude_size;              /* head, directory and names */
    uint32_t reserved[3];
};
_Static_assert(sizeof(struct form_head) == 80, "as the reference page says");

enum { FORM_HAS_NULLS = 1 };
struct form_entry {
    uint8_t role, kind, encoding, width;
    uint8_t flags, reserved[3];
    uint32_t name_at, name_len;         /* from the block's beginning */
    uint32_t count, scale;
    uint64_t at, size, checksum;        /* the column's bytes; 0 when it needs none */
    int64_t base;
    uint64_t step;
    uint32_t nulls, data, offsets, bytes;       /* parts, from `at`; bytes is the last and goes to the end */
};
_Static_assert(sizeof(struct form_entry) == 80, "as the reference page says");

/* A frame, opened: its rows' lengths (4 bytes each), then their bodies. */
struct form_frame {
    uint64_t checksum;                  /* of the packed bytes */
    uint32_t at, size;                  /* from the column's `bytes` */
    uint32_t opened, row;               /* bytes when opened; first row */
};
_Static_assert(sizeof(struct form_frame) == 24, "as the reference page says");

/* 10^0 .. 10^22: all that a double holds exactly. */
enum { FORM_SCALE_MAX = 22 };
extern const double form_powers[FORM_SCALE_MAX + 1];

static inline uint64_t form_load(const uint8_t *data, uint8_t width, uint32_t row)
{
    uint16_t u2;
    uint32_t u4;
    uint64_t u8;
    switch (width) {
    case 1: return data[row];
    case 2: return memcpy(&u2, data + (size_t)row * 2, 2), u2;
    case 4: return memcpy(&u4, data + (size_t)row * 4, 4), u4;
    case 8: return memcpy(&u8, data + (size_t)row * 8, 8), u8;
    default: return 0;
    }
}

/* --- drafts: columns before they are encoded --------------------------------- */

struct block_draft {
    enum block_role role;
    enum block_kind kind;
    struct su_str name;
    uint32_t count;                     /* rows there are; the rest up to the block's are null */
    const uint64_t *valid;              /* a bit a row, 1: has a value; NULL: all have */
    const int64_t *ints;                /* BLOCK_INT, BLOCK_BOOL */
    const double *numbers;              /* BLOCK_FLOAT */
    /* BLOCK_TEXT, BLOCK_JSON: entry e is bytes[offsets[e], offsets[e + 1]); codes[row] is an entry (NULL: the row itself). */
    const uint32_t *codes, *offsets;
    const char *bytes;
    uint32_t entries;
    bool is_packed;                     /* bodies: in frames */
    /* Bodies: instead of all that, the frames of these whole blocks as they are, one block's rows after the other's. */
    const struct block *const *packed;
    size_t packed_count;
};

/* The bodies of a block, when they are packed; else NULL. */
static inline const struct form_entry *form_packed(const struct block *block)
{
    const struct block_column *column = block_role_column(block, BLOCK_BODY);
    const struct form_entry *entry = column ? column->entry : NULL;
    return entry && entry->encoding == FORM_PACKED ? entry : NULL;
}

static inline bool draft_has(const struct block_draft *draft, uint32_t row)
{
    return row < draft->count && (draft->valid == NULL || draft->valid[row / 64] >> row % 64 & 1);
}

/* Appends the block of these columns. */
bool block_write(const struct block_draft *drafts, size_t count, uint64_t first, uint32_t rows, struct su_buf *ret, struct su_err *err);

/* Appends a copy of a block, with those of its columns that keep[i] says. */
bool block_copy(const struct block *block, const bool *keep, struct su_buf *ret, struct su_err *err);

/* --- columns that grow --------------------------------------------------------- */

/* Texts, each different one once while that pays. */
struct block_texts {
    char *bytes;
    uint32_t *offsets;                  /* entries + 1 */
    uint32_t entries, entries_max;
    size_t bytes_max;
    uint32_t *slots, slots_max;         /* entry + 1 by hash; NULL until used */
    uint32_t repeated;                  /* texts that were there already */
    bool is_plain;                      /* nearly every text is another one: no more looking up */
};
void block_texts_done(struct block_texts *texts);
void block_texts_clear(struct block_texts *texts);      /* keeps memory */
uint32_t block_texts_add(struct block_texts *texts, struct su_str text);
static inline struct su_str block_texts_at(const struct block_texts *texts, uint32_t entry)
{
    return (struct su_str){texts->bytes + texts->offsets[entry], texts->offsets[entry + 1] - texts->offsets[entry]};
}

/* Values of one column, row by row; rows that were skipped are null. */
struct block_values {
    enum block_kind kind;               /* 0: none yet */
    enum block_kind declared;           /* what it is when it has no values; 0: then it is not there */
    uint32_t count, max;
    uint32_t first;                     /* row of the first value */
    union { void *data; int64_t *ints; double *numbers; uint32_t *codes; };
    uint64_t *valid;                    /* NULL: all so far have a value */
    struct block_texts texts;
};
void block_values_done(struct block_values *values);
void block_values_clear(struct block_values *values);
/* Make room so that `row` can be written; rows before it that were not written become null. Rows written before may be written again. */
void block_values_reach(struct block_values *values, uint32_t row);
bool block_values_has(const struct block_values *values, uint32_t row);
/* Change the kind of what is there: integers to floats, numbers to texts.  The old data is handed over. */
void *block_values_widen(struct block_values *values, enum block_kind kind);
struct block_draft block_values_draft(const struct block_values *values, enum block_role role, struct su_str name);
/* A number as JSON would write it. */
enum { FORM_NUMBER_MAX = 32 };
struct su_str form_int_text(int64_t value, char text[static FORM_NUMBER_MAX]);
struct su_str form_number_text(double value, char text[static FORM_NUMBER_MAX]);
