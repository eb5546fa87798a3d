/* The services below the api, as serve.c composed them.  Layer api.
 * A pointer may be NULL while a service is absent (a handler then answers `unavailable`). */
#pragma once

struct store;
struct su_bus;
struct objects;
struct uploads;
struct previews;
struct tables;
struct fetches;
struct streams;
struct amqp_sources;
struct deriveds;
struct replays;
struct pane_cache;
struct logs;
struct compute;
struct notebooks;
struct documents;
struct recipes;
struct runs;
struct consumers;
struct actions;
struct watches;
struct models;
struct iterations;
struct triggers;
struct schedule;
struct self;
struct delivery;
struct accounts;
struct secrets;
struct events;
struct limits;
struct server;

struct services {
    struct store *store;            /* store/store.h */
    struct su_bus *bus;             /* base/bus.h */
    struct objects *objects;        /* aggregate/object.h */
    struct uploads *uploads;        /* aggregate/upload.h */
    struct previews *previews;      /* aggregate/preview.h */
    struct tables *tables;          /* aggregate/table.h */
    struct fetches *fetches;        /* aggregate/fetch.h */
    struct amqp_sources *amqp;      /* aggregate/amqp_sources.h */
    struct streams *streams;        /* aggregate/stream.h */
    struct deriveds *deriveds;      /* aggregate/derived.h */
    struct replays *replays;        /* aggregate/replay.h */
    struct pane_cache *panes;       /* aggregate/pane_cache.h: closed windows */
    struct logs *logs;              /* store/log.h */
    struct consumers *consumers;    /* aggregate/consumer.h */
    struct compute *compute;        /* compute/kernel.h */
    struct notebooks *notebooks;    /* interact/notebook.h */
    struct documents *documents;    /* interact/documents.h */
    struct recipes *recipes;        /* interact/recipe.h */
    struct runs *runs;              /* interact/run.h */
    struct actions *actions;        /* act/action.h */
    struct watches *watches;        /* act/watch.h */
    struct models *models;          /* act/model.h */
    struct triggers *triggers;      /* act/trigger.h */
    struct schedule *schedule;      /* act/schedule.h */
    struct self *self;              /* act/self.h */
    struct iterations *iterations;  /* act/iteration.h */
    struct delivery *delivery;      /* act/delivery.h */
    struct accounts *accounts;      /* accounts.h */
    struct secrets *secrets;        /* store/secret.h */
    struct events *events;          /* events.h */
    const struct limits *limits;    /* limits.h */
    struct server *server;          /* server.h: readiness, counters */
};
