/* The insides of series that series*.c share.  Layer aggregate. */
#pragma once
#include "rollup_groups.h"
#include "series.h"

struct bucket {
    double min, max, last;
    int64_t last_us;
    uint32_t count;     /* 0: empty; stays at its greatest */
    bool is_changed;
};

/* A field in the block that is read. */
struct series_lane {
    const struct block_column *column;
    double *of_code;    /* numbers of the dictionary's texts */
};

enum { SERIES_NO_KEY = UINT32_MAX - 1, SERIES_NEW_KEY = UINT32_MAX };

struct series {
    const struct series_spec *spec;
    int64_t step_us;
    int64_t first, last;            /* numbers of the least and greatest bucket there may be; first > last: none yet */
    int64_t low_us, high_us;        /* of the events in range */
    uint64_t next, messages, missing;
    bool is_begun, is_rescaled;
    /* Keys: groups by number; of_group[group] is an index into them, SERIES_NO_KEY or SERIES_NEW_KEY. */
    struct groups *groups;
    uint32_t *of_group, group_room, *chosen, key_count, left_out;
    uint64_t *counted;
    struct bucket **rings;          /* [key * field_count + field], points each; NULL: nothing yet */
    const struct block *block;      /* the last one's columns are in lanes */
    struct series_lane lanes[SERIES_FIELDS_MAX];
};

static inline int64_t series_floor(int64_t value, int64_t by)
{
    int64_t quotient = value / by;
    return quotient - (value % by < 0);
}
static inline uint32_t series_slot(const struct series *series, int64_t bucket)
{
    int64_t points = series->spec->points;
    return (uint32_t)(bucket - series_floor(bucket, points) * points);
}
