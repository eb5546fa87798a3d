/* Stands in for modules that are not in the tree yet; goes when they are.  Layer api. */

#define ABSENT return su_fail(err, SU_UNAVAILABLE, "not built yet")
