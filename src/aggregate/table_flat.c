/* Whether pandas.read_json(lines=True) would make the frame that the blocks of an NDJSON are.  Layer aggregate; see table.h.
 *
 * It would for flat records of numbers, texts and booleans.  pandas has rules of its own for the rest: texts that look like
 * numbers become numbers, floats without fractions integers, columns with certain names dates, and null is a value.  In
 * doubt the answer is no: then the caller reads the object as before. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include "table_private.h"

/* One object, nothing in it but plain values.  A text that holds one of these characters is taken for more than it is. */
void table_flat_line(struct table_sink *sink, struct su_str line)
{
    if (!sink->is_frame)
        return;
    const char *inner = line.ptr + 1;
    if (line.ptr[0] != '{' || memchr(inner, '{', line.len - 1) != NULL || memchr(line.ptr, '[', line.len) != NULL ||
        memmem(line.ptr, line.len, "null", 4) != NULL)
        table_differs(sink, "a record holds lists, objects or null");
}

static bool is_numeric(struct su_str text)
{
    static const char *const words[] = {"nan", "inf", "infinity"};
    bool has_digit = false;
    text = su_str_trim(text);
    struct su_str bare = text;
    if (bare.len && (bare.ptr[0] == '-' || bare.ptr[0] == '+'))
        bare = (struct su_str){bare.ptr + 1, bare.len - 1};
    for (size_t i = 0; i < SU_COUNT(words); i++)
        if (bare.len == strlen(words[i]) && strncasecmp(bare.ptr, words[i], bare.len) == 0)
            return true;
    for (size_t i = 0; i < text.len; i++) {
        bool is_digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        if (!is_digit && (text.ptr[i] == '\0' || strchr(".eE+-_", text.ptr[i]) == NULL))
            return false;
        has_digit |= is_digit;
    }
    return has_digit;
}

/* pandas' list of names that it takes for dates. */
static bool is_date_name(struct su_str name)
{
    static const char *const whole[] = {"modified", "date", "datetime"};
    for (size_t i = 0; i < SU_COUNT(whole); i++)
        if (name.len == strlen(whole[i]) && strncasecmp(name.ptr, whole[i], name.len) == 0)
            return true;
    return (name.len >= 3 && strncasecmp(name.ptr + name.len - 3, "_at", 3) == 0) ||
           (name.len >= 5 && strncasecmp(name.ptr + name.len - 5, "_time", 5) == 0) ||
           (name.len >= 9 && strncasecmp(name.ptr, "timestamp", 9) == 0);
}

static bool has_numeric_text(const struct block_column *column)
{
    uint32_t rows = column->block->rows, count = block_dictionary_count(column);
    for (uint32_t i = 0; i < count; i++)
        if (is_numeric(block_dictionary(column, i)))
            return true;
    for (uint32_t row = 0; row < rows && count == 0; row++)
        if (!block_is_null(column, row) && is_numeric(block_text(column, row)))
            return true;
    return false;
}

/* Some value has a fraction, and none is past what an integer of pandas holds. */
static bool is_really_float(const struct block_column *column)
{
    bool has_fraction = false;
    for (uint32_t row = 0; row < column->block->rows; row++) {
        double value = block_is_null(column, row) ? 0 : block_float(column, row);
        if (!(fabs(value) < 9e18))
            return false;
        has_fraction |= floor(value) < value;
    }
    return has_fraction;
}

static const char *reason(const struct block_column *column)
{
    if (memchr(column->name.ptr, '.', column->name.len) != NULL)
        return "may be a member of an object";
    if (is_date_name(column->name))
        return "has the name of a date";
    switch (column->kind) {
    case BLOCK_INT: return NULL;
    case BLOCK_FLOAT: return is_really_float(column) ? NULL : "has whole numbers written as floats, or very large ones";
    case BLOCK_BOOL: return column->has_nulls ? "lacks some booleans" : NULL;
    case BLOCK_TEXT: return has_numeric_text(column) ? "has texts that look like numbers" : NULL;
    case BLOCK_JSON: break;
    }
    return "holds lists";
}

static int64_t class_of(enum block_kind kind) { return kind == BLOCK_TEXT ? 't' : kind == BLOCK_BOOL ? 'b' : 'n'; }

/* Every block has the same columns, each once, of the same class. */
static bool is_as_before(struct table_sink *sink, const struct block *block)
{
    bool is_first = sink->classes == NULL;
    size_t fields = 0;
    if (is_first)
        sink->classes = json_object();
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        if (column->role != BLOCK_FIELD)
            continue;
        SU_AUTO_FREE char *name = su_strndup(column->name.ptr, column->name.len);
        int64_t before = su_json_int(sink->classes, name, 0);
        if (is_first ? before != 0 : before != class_of(column->kind))
            return false;
        if (is_first)
            json_object_set_new(sink->classes, name, json_integer(class_of(column->kind)));
        fields++;
    }
    return fields == json_object_size(sink->classes);
}

bool table_flat_block(struct table_sink *sink, struct su_err *err)
{
    if (!sink->is_frame || !sink->is_lines)
        return true;
    BLOCK_AUTO struct block block = {0};
    if (!block_open(sink->out.ptr, sink->out.len, &block, err))
        return false;
    if (!is_as_before(sink, &block))
        table_differs(sink, "a column comes and goes, or changes its kind");
    for (uint32_t i = 0; i < block.column_count && sink->is_frame; i++) {
        const struct block_column *column = &block.columns[i];
        const char *why = column->role == BLOCK_FIELD ? reason(column) : NULL;
        if (why != NULL)
            table_differs(sink, "column %.*s %s", (int)(column->name.len < 64 ? column->name.len : 64), column->name.ptr, why);
    }
    return true;
}
