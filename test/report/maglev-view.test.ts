import { describe, expect, it } from 'vitest';
import { formatMaglevView, viewMaglev } from '../../src/report/maglev-view.ts';

describe('viewMaglev', () => {
  const view = viewMaglev(Uint32Array.of(2, 2, 1, 2, 2, 1, 1, 1));

  it('counts shares and runs', () => {
    expect(view).toEqual({
      size: 8,
      shares: [
        { id: 1, slots: 4 },
        { id: 2, slots: 4 },
      ],
      runs: [
        [2, 2],
        [1, 1],
        [2, 2],
        [1, 3],
      ],
    });
  });

  it('prints them', () => {
    expect(formatMaglevView(view, (id) => `backend-${id}`)).toBe(`id  backend    slots   share
 1  backend-1      4  50.0 %  ████████████████████
 2  backend-2      4  50.0 %  ████████████████████
8 slots, 2 backends, 4 runs: 1 of length 1, 2 of length 2, 1 of length 3
`);
  });
});
