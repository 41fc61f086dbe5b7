"""What thresholds promise of false alarms: by clip and by group, with exact intervals, beside what labels show.

decisions         how many train normals lie above a run's thresholds, and which rate can be promised
rates             the rates of one machine, system and domain: promised, and observed
false_positives   a rate with its exact interval; two readings of the target ratio
group_thresholds  thresholds that count groups of train normals instead of clips
side_by_side      both kinds of threshold beside what labels show
tail_notes        warns of p-values that rest on clips recorded together
"""
