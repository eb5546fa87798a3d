/** A suricate, standing. */
export function Logo() {
  return (
    <svg viewBox="0 0 26 30" aria-hidden="true">
      <path class="body" d="M5 30V12a8 8 0 0 1 16 0v18z" />
      <ellipse class="belly" cx="13" cy="24" rx="4.5" ry="6" />
      <circle class="eye" cx="10" cy="11.5" r="2.6" /><circle class="eye" cx="16" cy="11.5" r="2.6" />
      <circle class="glint" cx="10.6" cy="11" r="1" /><circle class="glint" cx="16.6" cy="11" r="1" />
    </svg>
  );
}
