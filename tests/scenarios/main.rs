//! What Postrider promises, checked from outside: through its HTTP API, and at receivers on loopback.
//!
//! One file per topic. Every scenario has a tenant and receivers of its own, so that they run side by side.

#![allow(clippy::unwrap_used, reason = "a test that finds something else than it expects ends in a panic")]

mod access;
mod addresses;
mod answers;
mod bad_events;
mod bad_requests;
mod batch;
mod circuits;
mod dead_letters;
mod endpoints;
mod idempotency;
mod in_order;
mod isolation;
mod links;
mod lists;
mod matching;
mod pace;
mod parking;
mod payloads;
mod publishing;
mod replays;
mod requests;
mod retries;
mod rotation;
mod sources;
mod tables;
mod volume;

use std::process::ExitCode;

use postrider_tests::settings::settings;
use postrider_tests::{harness, scenarios};

fn main() -> ExitCode {
    let mut all = scenarios! {
        volume: ten_thousand_events_arrive_exactly_once;
        retries: a_receiver_that_fails_twice_gets_the_event_at_the_third_try,
            retry_after_is_honoured,
            a_silent_receiver_is_given_up_after_the_timeout,
            a_broken_connection_is_tried_again,
            waits_follow_the_strategy,
            an_unreachable_receiver_is_tried_again_at_its_new_address,
            a_rejected_event_is_not_tried_again,
            a_redirect_is_not_followed,
            a_delivery_is_made_again_on_request;
        dead_letters: exhausted_deliveries_are_redriven_with_a_new_budget,
            dead_letters_of_an_endpoint_are_redriven_together,
            what_fails_again_becomes_another_dead_letter,
            a_dead_letter_is_resolved_and_stays_so;
        replays: an_hour_is_replayed_to_another_endpoint,
            a_replay_is_called_off,
            an_event_is_replayed_to_an_endpoint_that_never_had_it,
            a_delivery_is_called_off;
        parking: a_receiver_that_is_gone_disables_its_endpoint,
            a_paused_endpoint_loses_nothing,
            a_disabled_endpoint_is_enabled_again;
        circuits: a_receiver_that_only_fails_is_left_alone,
            a_circuit_that_was_opened_for_a_time_tries_again_by_itself,
            parked_deliveries_are_skipped_or_kept,
            others_are_told_what_happens_to_an_endpoint;
        publishing: a_published_event_arrives_and_is_on_record,
            an_event_goes_to_every_endpoint_that_asked,
            an_event_can_name_its_endpoints,
            an_event_can_be_for_the_default_endpoints,
            a_test_event_goes_to_its_endpoint_alone,
            connections_are_used_again;
        pace: an_endpoint_is_called_at_its_own_pace,
            a_tenant_publishes_within_its_limit,
            an_event_for_later_arrives_then_unless_it_is_cancelled,
            an_urgent_event_arrives_and_says_so;
        matching: patterns_and_filters_decide_who_gets_an_event,
            numbers_are_compared_exactly,
            the_explanation_names_the_condition;
        payloads: data_arrives_as_it_was_sent,
            large_data_arrives_as_it_was_sent,
            data_may_be_as_large_as_the_limit_and_no_larger;
        links: a_link_leads_to_the_data_that_others_get,
            a_link_to_small_data_is_as_good,
            nobody_makes_a_link;
        requests: the_body_can_be_the_data_alone,
            the_body_can_be_signed_for_older_receivers,
            credentials_arrive_and_are_masked,
            headers_and_the_method_are_the_endpoints_choice;
        answers: a_huge_answer_is_cut,
            answers_are_kept_as_text,
            success_is_what_the_endpoint_says;
        idempotency: an_event_that_is_published_twice_is_delivered_once,
            another_event_cannot_have_the_same_id,
            fifty_publishers_of_one_event_cause_one_delivery,
            tenants_have_ids_of_their_own;
        batch: one_bad_event_rejects_only_itself,
            repetitions_inside_a_batch_are_recognised,
            a_batch_has_up_to_a_hundred_events;
        endpoints: an_endpoint_is_created_read_and_listed,
            a_change_takes_effect_for_the_next_event,
            a_configuration_is_merged,
            a_deleted_endpoint_gets_nothing_more,
            the_secret_is_shown_once_and_on_request;
        rotation: a_secret_is_replaced_under_traffic,
            after_the_overlap_the_new_secret_signs_alone,
            an_own_secret_is_taken,
            rotations_at_the_same_time_leave_whole_keys,
            public_keys_are_published_for_those_who_verify;
        in_order: an_ordered_endpoint_gets_one_after_the_other,
            what_an_ordered_endpoint_missed_comes_first,
            an_endpoint_is_ordered_for_as_long_as_somebody_wants;
        lists: events_are_listed_newest_first,
            deliveries_are_listed_newest_first,
            lists_are_filtered,
            hours_are_not_listed_before_they_are_over;
        access: roles_limit_what_a_key_can_do,
            keys_expire_and_are_deleted,
            keys_are_bound_to_networks,
            only_the_platform_administers_tenants;
        isolation: the_ids_of_other_tenants_name_nothing,
            lists_show_nothing_of_other_tenants,
            nothing_of_another_tenant_can_be_changed;
        addresses: private_addresses_are_refused,
            what_is_no_webhook_address_is_refused,
            a_change_cannot_bring_in_a_private_address;
        bad_events: events_are_refused_by_field,
            bodies_are_refused_by_form,
            only_objects_are_requests,
            oversized_bodies_name_the_limit;
        bad_requests: endpoints_are_refused_by_field,
            other_bodies_are_refused_by_field,
            queries_are_refused_by_parameter,
            unknown_ids_are_not_found,
            unknown_routes_and_methods_are_refused;
    };
    if settings().emulator.is_some() {
        all.extend(scenarios! {
            sources: an_event_of_the_bus_is_delivered,
                messages_of_the_inbox_are_delivered_once;
        });
    }
    harness::run(all)
}
