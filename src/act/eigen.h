/* Eigenvalues and eigenvectors of a small symmetric matrix.  Layer act; pure.
 *
 * Jacobi's cyclic rotations (Golub and Van Loan, Matrix Computations, 8.5): exact to a few units in the last place for
 * small matrices, and the same on every run.  About 6 sweeps of n²/2 rotations of 6·n multiplications: 0.6 ms for n = 32. */
#pragma once
#include <stddef.h>

enum { EIGEN_SIZE_MAX = 32 };

/* matrix: size × size, row by row, symmetric and finite; destroyed.  values: descending.  vectors: row i belongs to
 * values[i], has length 1, and its largest entry is positive, so that the same matrix always gives the same vectors. */
void eigen_symmetric(size_t size, double *matrix, double *ret_values, double *ret_vectors);
