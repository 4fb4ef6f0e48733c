// The service worker of the test page: Background Sync for the client that its own address names.

import { syncInBackground } from 'joinery/service-worker';

const given = new URL(location.href).searchParams;
syncInBackground({ url: given.get('url') ?? '', name: given.get('name') ?? '' });
