// The small drawing of a pane's device.

export function DeviceIcon({ device }: { readonly device: 'laptop' | 'phone' }) {
  return (
    <svg className="device-icon" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <g fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinejoin="round" strokeLinecap="round">
        {device === 'laptop' ? (
          <path d="M5 5.5h14v10H5zM2.5 18.5h19" />
        ) : (
          <path d="M7.5 2.75h9a1 1 0 0 1 1 1v16.5a1 1 0 0 1-1 1h-9a1 1 0 0 1-1-1V3.75a1 1 0 0 1 1-1zM11 18.5h2" />
        )}
      </g>
    </svg>
  );
}
