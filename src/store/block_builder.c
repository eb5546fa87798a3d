/* Building blocks row by row: see block.h.  Layer store; pure.
 *
 * Fields form a tree of names.  A row's members mostly come in the order of the
 * row before, so each field remembers which of its members is expected next. */
#include "block_form.h"
#include "base/hash.h"
#include <math.h>
#include <stdlib.h>

enum { NONE = 0 /* no field: index of the root, which is nobody's member */, SLOTS_MIN = 64, PATH_MAX_BYTES = 1024,
       BYTES_CEILING = 1 << 30 };

/* Values of one name by what they are: numbers and texts widen to each other, booleans and JSON stand alone. */
enum lane { LANE_SCALAR, LANE_BOOL, LANE_JSON, LANE_COUNT };

struct field {
    char *path;
    uint32_t path_len, name_len;        /* the name is the end of the path */
    uint32_t parent, first, next;       /* member and sibling */
    uint32_t expected, last;            /* of its members: the one to come, the one made last */
    struct block_values *lanes[LANE_COUNT];
};

/* A column that changed its kind, as it was. */
struct widened { struct block_values *values; void *data; enum block_kind kind; uint32_t row; };

struct block_builder {
    struct block_limits limits;
    struct field *fields;               /* [0] is the root */
    uint32_t field_count, field_max;
    uint32_t *slots, slots_max;         /* fields by path */
    bool is_crowded;                    /* a field was refused */
    bool has_declared;                  /* fields that stay */
    uint32_t rows;
    struct block_values times, arrivals, flags, key, id, headers;
    bool has_flags;
    struct block_texts bodies;
    size_t bytes;                       /* of values */
    size_t row_bytes;                   /* of the row begun */
    struct widened *widened;
    uint32_t widened_count, widened_max;
};

/* --- fields ---------------------------------------------------------------- */

static void fields_done(struct block_builder *builder)
{
    for (uint32_t i = 0; i < builder->field_count; i++) {
        for (int lane = 0; lane < LANE_COUNT; lane++)
            if (builder->fields[i].lanes[lane] != NULL) {
                block_values_done(builder->fields[i].lanes[lane]);
                free(builder->fields[i].lanes[lane]);
            }
        free(builder->fields[i].path);
    }
    builder->field_count = 0;
    builder->is_crowded = false;
    if (builder->slots != NULL)
        memset(builder->slots, 0, builder->slots_max * sizeof *builder->slots);
}

static uint32_t push_field(struct block_builder *builder)
{
    if (builder->field_count == builder->field_max) {
        builder->field_max = builder->field_max ? builder->field_max * 2 : 16;
        builder->fields = su_realloc(builder->fields, builder->field_max * sizeof *builder->fields);
    }
    builder->fields[builder->field_count] = (struct field){0};
    return builder->field_count++;
}

struct block_builder *block_builder_new(const struct block_limits *limits)
{
    struct block_builder *builder = su_alloc(sizeof *builder);
    builder->limits = limits != NULL ? *limits : (struct block_limits){0};
    if (builder->limits.columns_max == 0)
        builder->limits.columns_max = 1024;
    if (builder->limits.rows_max == 0)
        builder->limits.rows_max = 1u << 20;
    if (builder->limits.bytes_max == 0)
        builder->limits.bytes_max = (size_t)64 << 20;
    if (builder->limits.bytes_max > BYTES_CEILING)
        builder->limits.bytes_max = BYTES_CEILING;
    builder->bodies.is_plain = true;
    push_field(builder);
    return builder;
}

static void forget_widened(struct block_builder *builder)
{
    for (uint32_t i = 0; i < builder->widened_count; i++)
        free(builder->widened[i].data);
    builder->widened_count = 0;
}

void block_builder_free(struct block_builder *builder)
{
    if (builder == NULL)
        return;
    struct block_values *fixed[] = {&builder->times, &builder->arrivals, &builder->flags, &builder->key, &builder->id, &builder->headers};
    fields_done(builder);
    forget_widened(builder);
    for (size_t i = 0; i < SU_COUNT(fixed); i++)
        block_values_done(fixed[i]);
    block_texts_done(&builder->bodies);
    free(builder->fields);
    free(builder->slots);
    free(builder->widened);
    free(builder);
}

void block_builder_clear(struct block_builder *builder)
{
    struct block_values *fixed[] = {&builder->times, &builder->arrivals, &builder->flags, &builder->key, &builder->id, &builder->headers};
    for (size_t i = 0; i < SU_COUNT(fixed); i++)
        block_values_clear(fixed[i]);
    forget_widened(builder);
    if (!builder->has_declared && (builder->is_crowded || builder->field_count > builder->limits.columns_max / 2)) {
        fields_done(builder);
        push_field(builder);
    }
    for (uint32_t i = 0; i < builder->field_count; i++)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            if (builder->fields[i].lanes[lane] != NULL)
                block_values_clear(builder->fields[i].lanes[lane]);
    block_texts_clear(&builder->bodies);
    builder->bodies.is_plain = true;
    builder->rows = 0;
    builder->bytes = builder->row_bytes = 0;
    builder->has_flags = false;
}

uint32_t block_builder_rows(const struct block_builder *builder) { return builder->rows; }
size_t block_builder_bytes(const struct block_builder *builder) { return builder->bytes; }

static struct su_str path_of(const struct field *field) { return (struct su_str){field->path, field->path_len}; }

static uint32_t *slot_of(struct block_builder *builder, struct su_str path)
{
    uint32_t mask = builder->slots_max - 1, at = (uint32_t)su_hash64(path.ptr, path.len) & mask;
    for (; builder->slots[at] != 0; at = (at + 1) & mask)
        if (su_str_equal(path_of(&builder->fields[builder->slots[at]]), path))
            break;
    return &builder->slots[at];
}

static void grow_slots(struct block_builder *builder)
{
    builder->slots_max = builder->slots_max ? builder->slots_max * 2 : SLOTS_MIN;
    free(builder->slots);
    builder->slots = su_alloc(builder->slots_max * sizeof *builder->slots);
    for (uint32_t i = 1; i < builder->field_count; i++)
        *slot_of(builder, path_of(&builder->fields[i])) = i;
}

static void link_member(struct block_builder *builder, uint32_t parent, uint32_t member)
{
    struct field *fields = builder->fields;
    if (fields[parent].last == NONE)
        fields[parent].first = member;
    else
        fields[fields[parent].last].next = member;
    fields[parent].last = member;
    fields[member].parent = parent;
}

/* By path; made when it is new. */
static uint32_t find_member(struct block_builder *builder, uint32_t parent, struct su_str name)
{
    char buffer[PATH_MAX_BYTES];
    const struct field *above = &builder->fields[parent];
    size_t prefix = parent == NONE ? 0 : above->path_len + 1u;
    if (prefix + name.len > sizeof buffer)
        return UINT32_MAX;
    if (prefix > 0) {
        memcpy(buffer, above->path, above->path_len);
        buffer[prefix - 1] = '.';
    }
    if (name.len > 0)
        memcpy(buffer + prefix, name.ptr, name.len);
    struct su_str path = {buffer, prefix + name.len};
    if (builder->field_count * 2 >= builder->slots_max)
        grow_slots(builder);
    uint32_t *slot = slot_of(builder, path);
    if (*slot != 0)
        return *slot;
    if (builder->field_count > builder->limits.columns_max)
        return UINT32_MAX;
    uint32_t member = push_field(builder);
    builder->fields[member].path = su_strndup(path.ptr, path.len);
    builder->fields[member].path_len = (uint32_t)path.len;
    builder->fields[member].name_len = (uint32_t)name.len;
    link_member(builder, parent, member);
    *slot = member;
    return member;
}

static inline bool is_named(const struct field *field, struct su_str name)
{
    return field->name_len == name.len && name.len > 0 && memcmp(field->path + (field->path_len - field->name_len), name.ptr, name.len) == 0;
}

block_field block_member(struct block_builder *builder, block_field parent, struct su_str name)
{
    if (parent == BLOCK_NO_FIELD)
        return BLOCK_NO_FIELD;
    uint32_t above = parent == BLOCK_ROOT ? NONE : parent;
    uint32_t member = builder->fields[above].expected;
    if (member == NONE || !is_named(&builder->fields[member], name)) {
        member = find_member(builder, above, name);
        if (member == UINT32_MAX) {
            builder->is_crowded = true;
            return BLOCK_NO_FIELD;
        }
    }
    struct field *field = &builder->fields[member];
    if (field->parent == above)
        builder->fields[above].expected = field->next;
    field->expected = field->first;
    return member;
}

/* --- rows ------------------------------------------------------------------- */

void block_begin(struct block_builder *builder)
{
    builder->fields[NONE].expected = builder->fields[NONE].first;
    builder->row_bytes = 0;
}

static inline struct block_values *lane_of(struct block_builder *builder, block_field field, enum lane lane)
{
    struct block_values **values = &builder->fields[field].lanes[lane];
    if (*values == NULL)
        *values = su_alloc(sizeof **values);
    return *values;
}

static void widen(struct block_builder *builder, struct block_values *values, enum block_kind kind)
{
    if (builder->widened_count == builder->widened_max) {
        builder->widened_max = builder->widened_max ? builder->widened_max * 2 : 4;
        builder->widened = su_realloc(builder->widened, builder->widened_max * sizeof *builder->widened);
    }
    enum block_kind before = values->kind;
    void *data = block_values_widen(values, kind);
    builder->widened[builder->widened_count++] = (struct widened){values, data, before, builder->rows};
}

/* The field's values, ready to take one of this kind in the row begun; its kind may be a wider one. */
static inline struct block_values *take(struct block_builder *builder, block_field field, enum lane lane, enum block_kind kind, size_t bytes)
{
    struct block_values *values = lane_of(builder, field, lane);
    if (values->kind == 0)
        values->kind = kind;
    else if (values->kind < kind)
        widen(builder, values, kind);
    block_values_reach(values, builder->rows);
    builder->row_bytes += sizeof(int64_t) + bytes;
    return values;
}

static void put_text(struct block_builder *builder, struct block_values *values, struct su_str text)
{
    uint32_t row = builder->rows;
    uint32_t before = row > 0 ? values->codes[row - 1] : 0;
    /* Often the one of the row before. */
    if (row > 0 && before < values->texts.entries && block_values_has(values, row - 1) && su_str_equal(block_texts_at(&values->texts, before), text)) {
        values->codes[row] = before;
        return;
    }
    values->codes[row] = block_texts_add(&values->texts, text);
}

void block_declare(struct block_builder *builder, block_field field, enum block_kind kind)
{
    if (field >= BLOCK_NO_FIELD)
        return;
    struct block_values *values = lane_of(builder, field, kind == BLOCK_BOOL ? LANE_BOOL : kind == BLOCK_JSON ? LANE_JSON : LANE_SCALAR);
    values->declared = kind;
    builder->has_declared = true;
    if (values->kind == 0)
        values->kind = kind;
}

void block_set_int(struct block_builder *builder, block_field field, int64_t value)
{
    if (field >= BLOCK_NO_FIELD)
        return;
    struct block_values *values = take(builder, field, LANE_SCALAR, BLOCK_INT, 0);
    char text[FORM_NUMBER_MAX];
    if (values->kind == BLOCK_INT)
        values->ints[builder->rows] = value;
    else if (values->kind == BLOCK_FLOAT)
        values->numbers[builder->rows] = (double)value;
    else
        put_text(builder, values, form_int_text(value, text));
}

void block_set_float(struct block_builder *builder, block_field field, double value)
{
    if (field >= BLOCK_NO_FIELD)
        return;
    struct block_values *values = take(builder, field, LANE_SCALAR, BLOCK_FLOAT, 0);
    char text[FORM_NUMBER_MAX];
    if (values->kind == BLOCK_FLOAT)
        values->numbers[builder->rows] = value;
    else
        put_text(builder, values, form_number_text(value, text));
}

void block_set_bool(struct block_builder *builder, block_field field, bool value)
{
    if (field < BLOCK_NO_FIELD)
        take(builder, field, LANE_BOOL, BLOCK_BOOL, 0)->ints[builder->rows] = value;
}

void block_set_text(struct block_builder *builder, block_field field, struct su_str value)
{
    if (field < BLOCK_NO_FIELD)
        put_text(builder, take(builder, field, LANE_SCALAR, BLOCK_TEXT, value.len), value);
}

void block_set_json(struct block_builder *builder, block_field field, struct su_str value)
{
    if (field < BLOCK_NO_FIELD)
        put_text(builder, take(builder, field, LANE_JSON, BLOCK_JSON, value.len), value);
}

struct block_value block_row_value(const struct block_builder *builder, struct su_str path)
{
    uint32_t row = builder->rows;
    if (builder->slots == NULL)
        return (struct block_value){0};
    const struct field *field = &builder->fields[*slot_of((struct block_builder *)builder, path)];
    for (int lane = 0; field->path != NULL && lane < LANE_COUNT; lane++) {
        const struct block_values *values = field->lanes[lane];
        if (values == NULL || values->count != row + 1 || !block_values_has(values, row))
            continue;
        switch (values->kind) {
        case BLOCK_INT:
        case BLOCK_BOOL: return (struct block_value){.kind = values->kind, .integer = values->ints[row]};
        case BLOCK_FLOAT: return (struct block_value){.kind = BLOCK_FLOAT, .number = values->numbers[row]};
        case BLOCK_TEXT:
        case BLOCK_JSON: return (struct block_value){.kind = values->kind, .text = block_texts_at(&values->texts, values->codes[row])};
        }
    }
    return (struct block_value){0};
}

/* --- ending rows ---------------------------------------------------------------- */

static void cut_values(struct block_values *values, uint32_t rows)
{
    if (values->count > 0 && values->first >= rows) {
        values->kind = values->declared;
        values->count = 0;
    } else if (values->count > rows) {
        values->count = rows;
    }
}

void block_cut(struct block_builder *builder, uint32_t rows)
{
    while (builder->widened_count > 0 && builder->widened[builder->widened_count - 1].row >= rows) {
        struct widened *last = &builder->widened[--builder->widened_count];
        free(last->values->data);
        last->values->kind = last->kind;
        /* The old data is as large as it was then. */
        last->values->data = su_realloc(last->data, (size_t)last->values->max * sizeof(int64_t));
    }
    for (uint32_t i = 0; i < builder->field_count; i++)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            if (builder->fields[i].lanes[lane] != NULL)
                cut_values(builder->fields[i].lanes[lane], rows);
    struct block_values *fixed[] = {&builder->times, &builder->arrivals, &builder->flags, &builder->key, &builder->id, &builder->headers};
    for (size_t i = 0; i < SU_COUNT(fixed); i++)
        cut_values(fixed[i], rows);
    if (builder->bodies.entries > rows)
        builder->bodies.entries = rows;
    builder->rows = rows;
    builder->row_bytes = 0;
}

void block_drop(struct block_builder *builder) { block_cut(builder, builder->rows); }

static void put_fixed_int(struct block_builder *builder, struct block_values *values, int64_t value)
{
    values->kind = BLOCK_INT;
    block_values_reach(values, builder->rows);
    values->ints[builder->rows] = value;
}

static void put_fixed_text(struct block_builder *builder, struct block_values *values, struct su_str text)
{
    if (text.ptr == NULL)
        return;
    values->kind = BLOCK_TEXT;
    block_values_reach(values, builder->rows);
    put_text(builder, values, text);
    builder->row_bytes += sizeof(int64_t) + text.len;
}

bool block_end(struct block_builder *builder, const struct block_message *message, struct su_err *err)
{
    builder->row_bytes += 2 * sizeof(int64_t) + message->body.len + message->key.len + message->id.len + message->headers.len;
    if (builder->rows >= builder->limits.rows_max || builder->row_bytes > builder->limits.bytes_max
        || builder->bytes > builder->limits.bytes_max - builder->row_bytes) {
        block_drop(builder);
        return su_fail(err, SU_LIMIT, "a block holds at most %u messages and %zu bytes", builder->limits.rows_max, builder->limits.bytes_max);
    }
    if (!builder->limits.is_table) {
        put_fixed_int(builder, &builder->times, message->time_us);
        put_fixed_int(builder, &builder->arrivals, message->arrival_us);
    }
    put_fixed_int(builder, &builder->flags, message->flag);
    builder->has_flags |= message->flag != BLOCK_MESSAGE;
    put_fixed_text(builder, &builder->key, message->key);
    put_fixed_text(builder, &builder->id, message->id);
    put_fixed_text(builder, &builder->headers, message->headers);
    block_texts_add(&builder->bodies, message->body);
    builder->bytes += builder->row_bytes;
    builder->rows++;
    return true;
}

/* --- the block ----------------------------------------------------------------- */

static size_t draft_fixed(const struct block_builder *builder, struct block_draft *drafts)
{
    const struct su_str none = {"", 0};
    size_t count = 0;
    if (!builder->limits.is_table) {
        drafts[count++] = block_values_draft(&builder->times, BLOCK_TIME, none);
        drafts[count++] = block_values_draft(&builder->arrivals, BLOCK_ARRIVAL, none);
    }
    if (builder->has_flags)
        drafts[count++] = block_values_draft(&builder->flags, BLOCK_FLAG, none);
    const struct block_values *texts[] = {&builder->key, &builder->id, &builder->headers};
    for (size_t i = 0; i < SU_COUNT(texts); i++)
        if (texts[i]->count > 0)
            drafts[count++] = block_values_draft(texts[i], (enum block_role)(BLOCK_KEY + i), none);
    if (builder->bodies.entries > 0 && builder->bodies.offsets[builder->bodies.entries] > 0)
        drafts[count++] = (struct block_draft){.role = BLOCK_BODY, .kind = BLOCK_TEXT, .name = none, .count = builder->rows,
                                               .offsets = builder->bodies.offsets, .bytes = builder->bodies.bytes,
                                               .entries = builder->bodies.entries};
    return count;
}

enum { PACK_FROM = 32 << 10 };

bool block_finish(struct block_builder *builder, uint64_t first, struct su_buf *ret, struct su_err *err)
{
    su_assert(builder->rows > 0);
    size_t count = BLOCK_ROLE_COUNT;
    for (uint32_t i = 0; i < builder->field_count; i++)
        count += LANE_COUNT;
    SU_AUTO_FREE struct block_draft *drafts = su_alloc(count * sizeof *drafts);
    count = draft_fixed(builder, drafts);
    for (size_t i = 0; i < count; i++)      /* larger ones are packed once and for all: what is written stays small */
        drafts[i].is_packed = drafts[i].role == BLOCK_BODY && drafts[i].offsets[drafts[i].entries] >= PACK_FROM;
    for (uint32_t i = 1; i < builder->field_count; i++)
        for (int lane = 0; lane < LANE_COUNT; lane++) {
            const struct block_values *values = builder->fields[i].lanes[lane];
            if (values != NULL && values->kind != 0 && (values->count > 0 || values->declared != 0))
                drafts[count++] = block_values_draft(values, BLOCK_FIELD, path_of(&builder->fields[i]));
        }
    return block_write(drafts, count, first, builder->rows, ret, err);
}
