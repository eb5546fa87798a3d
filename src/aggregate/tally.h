/* How often each text of a column occurs.  Layer aggregate; pure.
 *
 * Exact while the different texts fit: then an entry also keeps what the text
 * means (value.h), so a text that comes again costs a hash and a probe.  When
 * they no longer fit, tally_lossy turns the table into a sketch of the frequent
 * ones: full, it takes the median count off every entry and drops those at zero
 * (Misra and Gries 1982 in the form of Anderson and others, "A high-performance
 * algorithm for identifying frequent items in data streams", IMC 2017).  A count
 * is then at most `error` too low, and error ≤ 2 × texts / entries.
 *
 * Texts are told apart by a 64-bit hash with a seed: give each file its own, so
 * that nobody can prepare a file full of collisions. */
#pragma once
#include <string.h>
#include "value.h"

enum { TALLY_TEXT_MAX = 200 };  /* bytes of a text that are kept */

struct tally_entry {
    uint64_t hash;              /* 0: empty */
    uint64_t count;
    union { int64_t integer; double number; };  /* of struct value */
    uint32_t text;              /* offset in texts */
    uint16_t text_len;
    uint8_t class;              /* enum value_class */
    bool is_cut;                /* the text was longer */
};

struct tally {
    struct tally_entry *slots;
    size_t mask, used, slots_max;
    char *texts;
    size_t text_len, text_capacity, text_max;
    uint64_t error;
    bool is_lossy;
};

/* slots_max: a power of two. */
void tally_init(struct tally *tally, size_t slots_max, size_t text_max);
void tally_done(struct tally *tally);
/* The slot of hash: its entry, or the empty one where it belongs. */
static inline struct tally_entry *tally_find(const struct tally *tally, uint64_t hash)
{
    size_t at = (size_t)hash & tally->mask;
    while (tally->slots[at].hash != hash && tally->slots[at].hash != 0)
        at = (at + 1) & tally->mask;
    return &tally->slots[at];
}
/* Insert a text that tally_find did not find; NULL when there is no room: then
 * tally_lossy, or, lossy already, tally_thin, and again. */
struct tally_entry *tally_insert(struct tally *tally, uint64_t hash, const char *text, size_t len, struct value value);
/* From exact to lossy, in slots_max slots. */
void tally_lossy(struct tally *tally, size_t slots_max);
void tally_thin(struct tally *tally);

/* In the manner of wyhash (Wang Yi, public domain): never 0. */
static inline uint64_t tally_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
static inline uint64_t tally_load(const char *text, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, text, size);
    return word;
}
static inline uint64_t tally_hash(const char *text, size_t len, uint64_t seed)
{
    uint64_t a, b, state = seed ^ UINT64_C(0xa0761d6478bd642f);
    if (len > 16) {
        const char *at = text;
        for (size_t left = len; left > 16; left -= 16, at += 16)
            state = tally_mix(tally_load(at, 8) ^ UINT64_C(0xe7037ed1a0b428db), tally_load(at + 8, 8) ^ state);
        a = tally_load(text + len - 16, 8);
        b = tally_load(text + len - 8, 8);
    } else if (len >= 8) {
        a = tally_load(text, 8);
        b = tally_load(text + len - 8, 8);
    } else if (len >= 4) {
        a = tally_load(text, 4);
        b = tally_load(text + len - 4, 4);
    } else {
        a = len > 0 ? (uint64_t)(uint8_t)text[0] << 16 | (uint64_t)(uint8_t)text[len >> 1] << 8 | (uint8_t)text[len - 1] : 0;
        b = 0;
    }
    uint64_t hash = tally_mix(UINT64_C(0x8ebc6af09c88c6e3) ^ len, tally_mix(a ^ UINT64_C(0x589965cc75374cc3), b ^ state));
    return hash != 0 ? hash : 1;
}
