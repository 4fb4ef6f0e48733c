// Joinery's mark: two boards held by a dovetail.

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
      <path className="logo-tail" d="M2 3H14V12.5L23 9.5V22.5L14 19.5V29H2A1 1 0 0 1 1 28V4A1 1 0 0 1 2 3Z" />
      <path className="logo-pin" d="M15.5 3H30A1 1 0 0 1 31 4V28A1 1 0 0 1 30 29H15.5V21.6L24.5 24.6V7.4L15.5 10.4Z" />
    </svg>
  );
}
