import { describe, expect, it } from 'vitest';
import { PacketBuffer } from '../../src/net/packet-buffer.ts';

const bytes = Uint8Array.from({ length: 6000 }, (_, i) => (i * 131 + (i >> 8)) & 0xff);
const view = new DataView(bytes.buffer);

describe('a packet buffer', () => {
  it.each([0, 1, 3, 4, 14, 60, 61, 255, 256, 257, 1514, 5000])(
    'takes and gives %i bytes of a larger memory',
    (length) => {
      const packet = new PacketBuffer();
      packet.loadFrom(view, 17, length);
      expect([...packet.copy()]).toEqual([...bytes.subarray(17, 17 + length)]);
      const out = new Uint8Array(6000);
      packet.copyTo(new DataView(out.buffer, 100), 3);
      const expected = new Uint8Array(6000);
      expected.set(bytes.subarray(17, 17 + length), 103);
      expect(Buffer.compare(out, expected)).toBe(0);
    },
  );

  it('reads a frame where it is', () => {
    const packet = new PacketBuffer();
    packet.lookAt(bytes, view, 33, 60);
    expect([packet.has(0, 60), packet.has(1, 60), packet.u8(2), packet.u32(8)]).toEqual([
      true,
      false,
      bytes[35],
      view.getUint32(41),
    ]);
  });
});
