import { serve } from '../threads/serve.ts';
import { type LabJob, type LabResult, perform } from './perform.ts';

function transferable(result: LabResult): ArrayBuffer[] {
  if (result.kind !== 'trials') return [];
  const { changed, unavoidable, needless, imbalance } = result.columns;
  return [changed, unavoidable, needless, imbalance].map((column) => column.buffer as ArrayBuffer);
}

serve<LabJob, LabResult>(perform, transferable);
