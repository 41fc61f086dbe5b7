"""What thresholds promise of false alarms: by clip and by group, with exact intervals, beside what labels show."""
